"""POSTs alert events to an HTTP receiver: signed, with an idempotency key, never following a redirect."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from dashboard.history import Entry
from dashboard.notify.channel import LONGEST_WAIT_S, TEST, Refused, TryLater, passes
from wire.errors import ConfigError
from wire.messages import AlertEvent
from wire.settings import WebhookSettings

AGAIN = {408, 425, 429}  # as every 5xx; any other 4xx will be the same next time
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # below, their lines quote urls


class Webhook:
    """One receiver. The body is the alert message of `/ws/v1`. Raises ConfigError for a url that is none."""

    kind = "webhook"

    def __init__(self, name: str, settings: WebhookSettings, clock: Callable[[], float] = time.time) -> None:
        self.name, self.give_up_s = name, settings.give_up_s
        self._settings, self._clock = settings, clock
        self._url = _url(name, settings.url.get_secret_value())
        self._tls = httpx.create_ssl_context()  # once: reading the authorities takes longer than a delivery

    def wants(self, event: AlertEvent) -> bool:
        """See Channel."""
        return passes(self._settings, self._settings.events, event)

    async def deliver(self, entry: Entry) -> None:
        """See Channel."""
        await self._post(entry.text.encode(), idempotency_key(entry))

    async def test(self) -> None:
        """See Channel."""
        await self._post(TEST, f"test-{self._clock():.3f}")

    async def _post(self, data: bytes, key: str) -> None:
        headers = {
            "content-type": "application/json", "user-agent": "unmask", "idempotency-key": key,
            **self._signature(data),
        }  # fmt: skip
        limit = self._settings.timeout_s
        try:
            # The time is for the whole attempt, not for each read of it; what follows the answer's head is not read.
            async with (
                asyncio.timeout(limit),
                httpx.AsyncClient(timeout=limit, follow_redirects=False, verify=self._tls) as client,
                client.stream("POST", self._url, content=data, headers=headers) as answer,
            ):
                pass
        except (httpx.HTTPError, TimeoutError) as error:
            raise TryLater(_reason(error)) from None
        if answer.is_success:
            return
        said = f"answered {answer.status_code} {HTTPStatus(answer.status_code).phrase}" if _known(answer) else "no HTTP"
        if answer.status_code in AGAIN or answer.is_server_error:
            raise TryLater(said, retry_after(answer.headers.get("retry-after"), self._clock()))
        raise Refused(said + (" (redirects are not followed)" if answer.is_redirect else ""))

    def _signature(self, data: bytes) -> dict[str, str]:
        stamp = str(int(self._clock()))
        if self._settings.secret is None:
            return {"x-unmask-timestamp": stamp}
        secret = self._settings.secret.get_secret_value().encode()
        return {"x-unmask-timestamp": stamp, "x-unmask-signature": sign(secret, stamp, data)}


def sign(secret: bytes, timestamp: str, data: bytes) -> str:
    """`sha256=` and the hex HMAC-SHA256 (RFC 2104) of timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + data, hashlib.sha256).hexdigest()


def idempotency_key(entry: Entry) -> str:
    """The same for every delivery of one event, and for no other event."""
    return f"{entry.event.alert.id}:{entry.event.event}:{entry.cursor[0]}-{entry.cursor[1]}"


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header (RFC 9110, 10.2.3) asks for; None where it asks for nothing one can read."""
    if not text:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S) or None


def _url(name: str, text: str) -> httpx.URL:
    try:
        urlsplit(text).port  # noqa: B018 - raises where httpx.URL lets a port or bracket pass
        url = httpx.URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
    except (ValueError, httpx.InvalidURL):
        pass
    where = f"notify.webhooks.{name.removeprefix('webhook-')}.url"
    raise ConfigError("configuration", where, "is no http:// or https:// url", "give https://HOST/PATH") from None


def _known(answer: httpx.Response) -> bool:
    return answer.status_code in HTTPStatus._value2member_map_


def _reason(error: Exception) -> str:
    """Why, without the url: httpx' own texts may quote it."""
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "its certificate does not verify" if "CERTIFICATE_VERIFY_FAILED" in str(error) else "can't be reached"
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return "hung up without an answer"
    return type(error).__name__
