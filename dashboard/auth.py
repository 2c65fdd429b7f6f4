"""Who may come in: token, Origin and Host."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from dashboard.config import DashboardConfig, is_loopback


def token_matches(expected: str | None, given: str | None) -> bool:
    """Whether `given` opens the door; takes the same time wherever the two differ."""
    if expected is None:
        return True
    return given is not None and hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def origin_allowed(headers: Mapping[str, str], others: Collection[str] = ()) -> bool:
    """Whether a WebSocket, or a change, comes from this page, from a page of `others` (origins), or from a program.

    Programs send no Origin.
    """
    origin = headers.get("origin")
    if origin is None or origin in others:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc.lower() == headers.get("host", "").lower()


def host_allowed(config: DashboardConfig, headers: Mapping[str, str]) -> bool:
    """Whether the Host header may be served: without a token, a strange name that leads here is DNS rebinding."""
    if not config.checks_host:
        return True
    try:
        name = urlsplit("//" + headers.get("host", "")).hostname or ""
    except ValueError:
        return False
    return is_loopback(name)


class Guard:
    """ASGI middleware: refuses strange hosts."""

    def __init__(self, app: ASGIApp, config: DashboardConfig) -> None:
        self._app, self._config = app, config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return

        if host_allowed(self._config, Headers(scope=scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(_strange_host())
        else:
            await _strange_host()(scope, receive, send)


def _strange_host() -> JSONResponse:
    return JSONResponse({"error": "open the dashboard as localhost, or set dashboard.token"}, 421)
