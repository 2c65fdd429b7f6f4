"""Where a request may come from: Origin and Host; and what it presents."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from dashboard.config import DashboardConfig, is_loopback

# What no public name ends in, so that no stranger can let one lead here (RFC 6762, 8375; ICANN for the others).
_PRIVATE = (".local", ".internal", ".home.arpa", ".lan", ".home", ".corp", ".svc")
_STRANGE = (
    "this name may be a stranger's: open the dashboard as localhost (with dashboard.allow_anonymous by its address, or "
    "set dashboard.public_url), or set dashboard.users or dashboard.token"
)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The token of an Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def cookie_name(connection: HTTPConnection) -> str:
    """What the cookie is called: over TLS as only this very host can set it, and only over TLS (RFC 6265bis, 4.1.3)."""
    return "__Host-unmask" if secure(connection) else "unmask"


def cookie_of(connection: HTTPConnection) -> str | None:
    """The cookie of whoever has signed in, where this dashboard's own page sends it.

    A page of another site can make a browser send it only from a sibling of this site, and never with this Origin.
    """
    given = connection.cookies.get(cookie_name(connection))
    safe = connection.scope["type"] == "http" and connection.scope["method"] in ("GET", "HEAD")
    return given if safe or own_origin(connection) else None


def own_origin(connection: HTTPConnection) -> bool:
    """Whether the Origin is there, and is this dashboard's own; over TLS no page without TLS has it."""
    origin = connection.headers.get("origin")
    if origin is None or not origin_allowed(connection.headers):
        return False
    return not secure(connection) or origin.startswith("https:")


def secure(connection: HTTPConnection) -> bool:
    """Whether the connection is under TLS, by itself or by what a trusted proxy says."""
    return connection.scope["scheme"] in ("https", "wss")


def address_of(connection: HTTPConnection) -> str:
    """The address a request comes from, by a trusted proxy's word where one is configured."""
    return connection.client.host if connection.client else ""


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
    """Whether the Host header may be served: where nobody has to show a token, a stranger's name that leads here is DNS
    rebinding. `allow_anonymous` lets in whoever reaches the port, and so no web page that anybody in there may open.
    """
    if not config.access.open:
        return True
    try:
        name = urlsplit("//" + headers.get("host", "")).hostname or ""
        public = urlsplit(config.public_url or "").hostname
    except ValueError:
        return False
    if is_loopback(name):
        return True
    return config.allow_anonymous and ("host" not in headers or name == public or _not_rebound(name))


def _not_rebound(name: str) -> bool:
    """Whether no stranger's name server can have led here: an address, or a name of one's own network."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_PRIVATE))
    return True


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
    return JSONResponse({"error": _STRANGE}, 421)
