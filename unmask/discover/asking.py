"""Asks the cameras that answered what they are and where their streams are, by ONVIF over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from onveef import AsyncOnvifClient
from onveef.exceptions import (
    OnvifAuthError,
    OnvifCapabilityMissingError,
    OnvifError,
    OnvifFaultError,
    OnvifOperationNotSupportedError,
    OnvifTimeoutError,
)

from unmask.discover.camera import Camera, Stream, stream_url
from unmask.discover.probing import Answer
from unmask.discover.vetting import MAX_BYTES, Refused, plain, vetted

MAX_STREAMS = 128
AT_ONCE = 16  # cameras that are asked


@dataclass(frozen=True, slots=True)
class Login:
    """What cameras are shown, as digests only."""

    user: str
    password: str = field(repr=False)


class Pinned(httpx.AsyncBaseTransport):
    """HTTP to one host and no other; an answer is read whole, within the limits, and vetted before it is passed on."""

    def __init__(self, host: str, inner: httpx.AsyncBaseTransport | None = None) -> None:
        # No camera has a certificate for its address, and what it is sent is a digest with or without TLS.
        self._host, self._inner = host, inner or httpx.AsyncHTTPTransport(verify=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. Raises httpx.TransportError for another host and for an answer that is refused."""
        if request.url.host != self._host:
            raise httpx.UnsupportedProtocol("it names another host", request=request)
        request.headers["Accept-Encoding"] = "identity"  # and what is packed all the same is no XML
        answer = await self._inner.handle_async_request(request)
        body = bytearray()
        try:
            assert isinstance(answer.stream, httpx.AsyncByteStream)
            async for chunk in answer.stream:
                body += chunk
                if len(body) > MAX_BYTES:
                    raise httpx.RemoteProtocolError(f"an answer longer than {MAX_BYTES} bytes", request=request)
        finally:
            await answer.aclose()
        headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        if challenge := answer.headers.get("WWW-Authenticate"):
            headers["WWW-Authenticate"] = challenge
        try:
            text = vetted(bytes(body))
        except Refused as error:
            if answer.status_code < 300:
                raise httpx.RemoteProtocolError(f"an answer that is refused: {error}", request=request) from None
            text = ""  # a page for people: the status says enough
        return httpx.Response(answer.status_code, headers=headers, text=text, request=request)

    async def aclose(self) -> None:
        """See httpx."""
        await self._inner.aclose()


async def ask_all(found: Sequence[Answer], login: Login | None, timeout_s: float) -> list[Camera]:
    """What each of them is, in their order; each has `timeout_s` seconds for all that it is asked."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(answer: Answer) -> Camera:
        async with turns:
            return await ask(answer, login, timeout_s)

    return list(await asyncio.gather(*map(one, found)))


async def ask(
    answer: Answer, login: Login | None, timeout_s: float, carried: httpx.AsyncBaseTransport | None = None
) -> Camera:
    """What one of them is, by HTTP or as `carried`. Never raises for what a camera does: `problem` says it."""
    found = Camera(answer.address, answer.name, model=answer.hardware, service=answer.service, login=login is not None)
    if not answer.service:
        return replace(found, problem="it names no address of its own to be asked at")
    try:
        async with (
            asyncio.timeout(timeout_s),
            httpx.AsyncClient(transport=Pinned(answer.address, carried), timeout=timeout_s, trust_env=False) as http,
        ):
            client = AsyncOnvifClient(
                answer.service, username=login.user if login else "", password=login.password if login else "",
                http_client=http, http_auth="digest", retries=0,
            )  # fmt: skip
            about: dict[str, str] = {}
            with suppress(OnvifFaultError, OnvifOperationNotSupportedError):
                about = await client.get_device_information()
            model = plain(f"{about.get('Manufacturer', '')} {about.get('Model', '')}")
            found = replace(
                found, model=model or found.model, firmware=plain(about.get("FirmwareVersion", "")),
                name=found.name or model,
            )  # fmt: skip
            for profile in (await client.get_profiles())[:MAX_STREAMS]:
                url = stream_url(await client.get_stream_uri(profile_token=profile["token"]), answer.address)
                if url:
                    found = replace(found, streams=(*found.streams, _stream(profile, url)))
    except OnvifAuthError:
        why = "refused the login" if login else "tells its streams to who logs in: --login"
        return replace(found, problem=why)
    except (TimeoutError, OnvifTimeoutError):
        return replace(found, problem=f"did not answer all questions within {timeout_s:g} s: --timeout gives it longer")
    except OnvifCapabilityMissingError:
        return replace(found, problem="has no media service")
    except (OnvifError, httpx.HTTPError) as error:
        return replace(found, problem=plain(str(error), 160))
    except (ArithmeticError, LookupError, NotImplementedError, TypeError, ValueError, httpx.InvalidURL):
        # of the libraries, as on a number that is infinite, a service's address that is none, a rare kind of digest
        return replace(found, problem="an answer that makes no sense")
    return found if found.streams else replace(found, problem="named no RTSP stream")


def _stream(profile: dict[str, Any], url: str) -> Stream:
    encoder, source = profile.get("video_encoder") or {}, profile.get("video_source") or {}
    return Stream(
        plain(profile["name"] or profile["token"]), plain(source.get("source_token") or source.get("token") or ""),
        url, plain(encoder.get("encoding", "")), encoder.get("width"), encoder.get("height"), encoder.get("fps_limit"),
    )  # fmt: skip
