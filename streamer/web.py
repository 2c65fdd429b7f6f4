"""What FFmpeg reads of an http(s) source, fetched by Python: so that each address is looked at before it is opened.

FFmpeg's own client follows any redirect, and opens whatever a playlist names. A hostile camera could so point the
streamer at the services of the network it stands in. Here only the configured host and port (or the same host's https)
and the hosts the configuration allows are ever connected to; the user and password go to the configured host alone.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from wire.errors import CertificateRefused, SourceError
from wire.redact import redact

PORTS = {"http": 80, "https": 443}
AGENT = "unmask"
LENGTH = re.compile(r"[0-9]{1,18}")  # of a file that FFmpeg can seek in


class Web:
    """One opening of one http(s) source. `open` is PyAV's `io_open`; everything here belongs to the reader's thread."""

    def __init__(
        self, url: str, name: str, hosts: tuple[str, ...], timeout_s: float, silence_s: float, tls: Mapping[str, str]
    ) -> None:
        self._name, self._home, self._hosts = name, urlsplit(url), {host.lower() for host in hosts}
        self._silence_s, self._open_s = silence_s, timeout_s
        self._deadline: float | None = time.monotonic() + timeout_s
        self._connection: http.client.HTTPConnection | None = None
        self._answers: list[http.client.HTTPResponse] = []
        self._files: set[WebFile] = set()
        self._opener = urllib.request.build_opener(
            _Http(self), _Https(self, _context(tls), tls.get("verifyhost")), _Redirects(self), *_logins(self._home)
        )

    def close(self) -> None:
        """Hang up everywhere: FFmpeg forgets files of playlists that it gives up."""
        for file in list(self._files):
            file.close()

    def opened(self) -> None:
        """The source is open: from now on only silence is a time-out."""
        self._deadline = None

    def open(self, url: str, _flags: int, options: Mapping[str, str]) -> WebFile:
        """The resource behind `url`. Raises SourceError: `forbidden` where it may not be had, else why it can't."""
        self.check(url)
        first = int(options.get("offset", 0))
        last = int(options["end_offset"]) - 1 if int(options.get("end_offset", 0)) else None
        file = WebFile(self, self.bare(url), first, last)
        self._files.add(file)
        return file

    def check(self, url: str) -> None:
        """Raises SourceError unless the address is one that this source may name."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise SourceError("forbidden", self._name, "its server names an address that is none") from None
        place = _place(parts)
        if place is None:
            raise SourceError("forbidden", self._name, f"its server names a {parts.scheme or 'local'} address")
        host, port = place
        home = _place(self._home)
        assert home is not None
        upgrade = home[1] == 80 and parts.scheme == "https" and port == 443
        if not (host == home[0] and (port == home[1] or upgrade)) and not {host, f"{host}:{port}"} & self._hosts:
            raise SourceError("forbidden", self._name, f"its server points to {redact(host)}:{port}")

    def bare(self, url: str) -> str:
        """`url` without user and password."""
        return urlsplit(url)._replace(netloc=urlsplit(url).netloc.rpartition("@")[2]).geturl()

    def fetch(self, url: str, first: int, last: int | None) -> http.client.HTTPResponse:
        """The answer, its head read. Raises SourceError."""
        request = urllib.request.Request(url, headers={"User-Agent": AGENT, "Accept": "*/*"})
        if first or last is not None:
            request.add_header("Range", f"bytes={first}-{'' if last is None else last}")
        left = self.left()
        timer = threading.Timer(left, self._hang_up)  # a head that trickles in would keep each single read in time
        timer.daemon = True
        timer.start()
        began = time.monotonic()
        try:
            answer: http.client.HTTPResponse = self._opener.open(request, timeout=min(left, self._silence_s))
            self._answers.remove(answer)
            return answer
        except SourceError:
            raise
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            raise self._failure(error, time.monotonic() - began >= left) from None
        finally:
            timer.cancel()
            while self._answers:  # those that asked for a password or pointed elsewhere
                self._answers.pop().close()

    def left(self) -> float:
        """Seconds that are left for opening; the time for one answer where the source is open. Raises TimeoutError."""
        if self._deadline is None:
            return self._open_s
        if (left := self._deadline - time.monotonic()) <= 0:
            raise TimeoutError("no usable picture in time")
        return left

    def connected(self, connection: http.client.HTTPConnection) -> None:
        """This is the connection that is being used now."""
        self._connection = connection

    def closed(self, file: WebFile) -> None:
        """This file is not read any more."""
        self._files.discard(file)

    def answered(self, answer: http.client.HTTPResponse) -> http.client.HTTPResponse:
        """One of the answers that it takes to get to the last."""
        self._answers.append(answer)
        return answer

    def _hang_up(self) -> None:
        sock = self._connection.sock if self._connection else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def _failure(self, error: Exception, late: bool) -> SourceError:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            kinds = {401: "unauthorised", 403: "unauthorised", 404: "not-found"}
            kind: Any = kinds.get(error.code, "failed")
            return SourceError(kind, self._name, f"the server says {error.code}")
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if late or isinstance(cause, TimeoutError):
            return SourceError("timeout", self._name, "no answer")
        if isinstance(cause, ConnectionRefusedError):
            return SourceError("refused", self._name, "Connection refused")
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateRefused(self._name, cause.verify_message.rstrip("."))
        if isinstance(cause, socket.gaierror):
            return SourceError("failed", self._name, "the host's name or network can't be found")
        if isinstance(cause, ConnectionError):
            return SourceError("disconnected", self._name, "the server hung up")
        return SourceError("failed", self._name, "what answers there is no video server")


class WebFile:
    """A resource as a file: read as it arrives, and begun again elsewhere where the server knows ranges."""

    def __init__(self, web: Web, url: str, first: int, last: int | None) -> None:
        self._web, self._url, self._first, self._last = web, url, first, last
        self._answer = web.fetch(url, first, last)
        self._at = 0
        length = self._answer.headers.get("Content-Length", "")
        self._size = int(length) if LENGTH.fullmatch(length) else None
        if self._size is not None and self._answer.headers.get("Accept-Ranges", "").lower() == "bytes":
            self.seek: Callable[..., int] = self._seek  # PyAV looks whether it is there
            self.tell: Callable[[], int] = lambda: self._at

    def read(self, size: int) -> bytes:
        """What has arrived, `size` bytes at most; empty at the end. Raises TimeoutError after too long a silence."""
        self._web.left()
        try:
            data = self._answer.read1(size)
        except http.client.HTTPException:  # cut off
            return b""
        self._at += len(data)
        return data

    def close(self) -> None:
        """Hang up."""
        self._answer.close()
        self._web.closed(self)

    def _seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        assert self._size is not None
        target = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if target != self._at:
            self._answer.close()
            self._at = target
            if target < self._size:
                self._answer = self._web.fetch(self._url, self._first + target, self._last)
        return target


class _Http(urllib.request.HTTPHandler):
    def __init__(self, web: Web) -> None:
        super().__init__()
        self._web = web

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self._web.answered(
            self.do_open(lambda host, **how: _noted(self._web, http.client.HTTPConnection(host, **how)), request)
        )


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, web: Web, context: ssl.SSLContext, name: str | None) -> None:
        super().__init__(context=context)
        self._web, self._tls, self._name = web, context, name

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self._web.answered(
            self.do_open(lambda host, **how: _noted(self._web, _Secure(host, self._tls, self._name, **how)), request)
        )


class _Secure(http.client.HTTPSConnection):
    """A connection whose peer's certificate may carry another name than its address."""

    def __init__(self, host: str, context: ssl.SSLContext, name: str | None, **how: Any) -> None:
        super().__init__(host, context=context, **how)
        self._tls, self._name = context, name

    def connect(self) -> None:
        """Connect and shake hands."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name or self.host)


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, web: Web) -> None:
        self._web = web

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self._web.check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _noted(web: Web, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
    web.connected(connection)
    return connection


def _place(parts: SplitResult) -> tuple[str, int] | None:
    """Host and port of an http(s) address."""
    try:
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return (parts.hostname.lower(), port) if parts.hostname and port and parts.scheme in PORTS else None


def _logins(home: SplitResult) -> list[urllib.request.BaseHandler]:
    if home.username is None:
        return []
    known = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    place = f"{home.scheme}://{home.netloc.rpartition('@')[2]}/"
    known.add_password(None, place, unquote(home.username), unquote(home.password or ""))
    return [urllib.request.HTTPBasicAuthHandler(known), urllib.request.HTTPDigestAuthHandler(known)]


def _context(tls: Mapping[str, str]) -> ssl.SSLContext:
    """By FFmpeg's options: a certificate is looked at only where `tls_verify` asks for it."""
    context = ssl.create_default_context(cafile=tls.get("ca_file"))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN  # a camera's own certificate may be its authority
    if tls.get("tls_verify", "0") != "1":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
