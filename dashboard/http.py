"""The page, REST, health and metrics on one port: all routes."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from dashboard import auth
from dashboard.access.gate import Gate
from dashboard.api import errors
from dashboard.api.context import Context
from dashboard.api.routes import routes
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.session import Session
from dashboard.streams import BUS_ERRORS

STATIC = Path(__file__).parent / "static"


class Api:
    """The application, and the handlers of all that is not REST."""

    def __init__(self, config: DashboardConfig, hub: Hub, metrics: Metrics, gate: Gate) -> None:
        self._config, self._hub, self._metrics, self._gate = config, hub, metrics, gate

    def app(self) -> Starlette:
        """The ASGI application."""
        app = Starlette(
            routes=[
                Route("/", self.page),
                *routes(Context(self._config, self._hub, self._metrics, self._gate)),
                WebSocketRoute("/ws/v1", self.subscribe),
                WebSocketRoute("/{path:path}", self.no_socket),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[Middleware(auth.Guard, config=self._config)],
            exception_handlers={
                errors.Refused: errors.on_refused,
                HTTPException: errors.on_http,
                **dict.fromkeys(BUS_ERRORS, errors.on_bus),
                Exception: errors.on_defect,
            },
        )
        app.router.redirect_slashes = False  # an address is right or wrong; and a redirect would name a strange host
        return app

    async def page(self, _request: Request) -> Response:
        """The page, which holds nothing of the cameras; it says by itself when somebody has to sign in."""
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def subscribe(self, socket: WebSocket) -> None:
        """/ws/v1."""
        if not auth.origin_allowed(socket.headers, self._config.allowed_origins):
            await socket.send_denial_response(errors.failure(403, "this origin may not subscribe"))
            return
        await socket.accept()
        await Session(socket, self._hub, self._config, self._metrics, self._gate).run()

    async def no_socket(self, socket: WebSocket) -> None:
        """Any other WebSocket address; the framework would answer 403."""
        await socket.send_denial_response(errors.failure(404, "subscribe at /ws/v1"))
