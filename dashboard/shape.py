"""What a request may look like before anything is done for it: sizes, and one meaning only."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from dashboard.api.asking import MAX_BODY
from dashboard.api.errors import failure
from dashboard.limits import MAX_HEAD, MAX_PARAMETERS, MAX_TARGET

_CLOSE = {"connection": "close"}


class Shape:
    """ASGI middleware: refuses requests that are too large, or that a proxy may read differently."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        wrong = problem(scope) if scope["type"] in ("http", "websocket") else None
        if wrong is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(failure(*wrong))
        else:
            await failure(*wrong, _CLOSE)(scope, receive, send)


def problem(scope: Scope) -> tuple[int, str] | None:
    """Status and words of what is wrong with a request's head; None: nothing is."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    target = len(scope.get("raw_path") or b"") + len(scope["query_string"])
    if target > MAX_TARGET:
        return 414, f"the address is longer than {MAX_TARGET} bytes"
    if sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
        return 431, f"the headers are larger than {MAX_HEAD} bytes"
    if scope["query_string"].count(b"&") >= MAX_PARAMETERS:
        return 400, f"more than {MAX_PARAMETERS} parameters"
    lengths = [value for name, value in headers if name == b"content-length"]
    if lengths and any(name == b"transfer-encoding" for name, _ in headers):
        return 400, "both Content-Length and Transfer-Encoding"  # RFC 9112, 6.1: request smuggling
    if lengths and int(lengths[0]) > MAX_BODY:
        return 413, f"the body is larger than {MAX_BODY} bytes"
    return None
