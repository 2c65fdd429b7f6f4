"""The page, REST, health and metrics: the routes, each as thin as it can be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, cast

import msgspec
import redis.asyncio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from dashboard import auth
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.probes import measure, readiness
from dashboard.session import Session
from dashboard.streams import BUS_ERRORS
from wire import evidence
from wire.errors import DecodeError
from wire.messages import Alert, Evidence

STATIC = Path(__file__).parent / "static"
MAX_PAGE = 500
Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The routes' handlers and what they share."""

    def __init__(self, config: DashboardConfig, bus: redis.asyncio.Redis, hub: Hub, metrics: Metrics) -> None:
        self._config, self._bus, self._hub, self._metrics = config, bus, hub, metrics

    def app(self) -> Starlette:
        """The ASGI application."""
        v1 = "/api/v1"
        return Starlette(
            routes=[
                Route("/", self.page),
                Route("/healthz", self.healthz),
                Route("/readyz", self.readyz),
                Route("/metrics", self.metrics),
                Route(f"{v1}/cameras", self._guarded(self.cameras)),
                Route(f"{v1}/cameras/{{name}}/preview.jpg", self._guarded(self.preview)),
                Route(f"{v1}/cameras/{{name}}/timeline", self._guarded(self.timeline)),
                Route(f"{v1}/alerts", self._guarded(self.alerts)),
                Route(f"{v1}/alerts/{{id}}", self._guarded(self.alert)),
                Route(f"{v1}/alerts/{{id}}/evidence/{{n:int}}.jpg", self._guarded(self.crop)),
                WebSocketRoute("/ws/v1", self.subscribe),
                WebSocketRoute("/{path:path}", self.no_socket),
                Mount("/static", StaticFiles(directory=STATIC)),
            ],
            middleware=[Middleware(auth.Guard, config=self._config)],
            exception_handlers={HTTPException: _http_error, **dict.fromkeys(BUS_ERRORS, self._bus_error)},
        )

    def _guarded(self, handler: Handler) -> Handler:
        async def checked(request: Request) -> Response:
            if not auth.token_matches(self._config.token, auth.bearer(request.headers)):
                return _error(
                    401, "a token is needed: send 'Authorization: Bearer TOKEN'", {"www-authenticate": "Bearer"}
                )
            return await handler(request)

        return checked

    async def page(self, _request: Request) -> Response:
        """The page; it says by itself when a token is needed."""
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    async def healthz(self, _request: Request) -> Response:
        """The process is alive."""
        return _json({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Redis answers, and a streamer and a worker are ready."""
        parts = await readiness(self._hub)
        ready = all(part.ok for part in parts.values())
        return _json({"ready": ready, "parts": parts}, 200 if ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """Prometheus text."""
        await measure(self._metrics, self._hub, self._bus, self._config.keys)
        return Response(self._metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def cameras(self, _request: Request) -> Response:
        """All cameras with their verdicts."""
        return _json({"bus": self._hub.bus, "cameras": self._hub.snapshot()})

    async def timeline(self, request: Request) -> Response:
        """One camera's rolling score lines: per track [captured, p_fake, verdict]."""
        try:
            tracks = self._hub.cameras.timeline(request.path_params["name"])
        except KeyError:
            return _error(404, "no camera of that name")
        return _json({"tracks": tracks})

    async def preview(self, request: Request) -> Response:
        """One camera's newest picture."""
        data = await self._bus.get(self._config.keys.preview(request.path_params["name"]))
        if data is None:
            return _error(404, "no picture of that camera in the last seconds")
        return Response(cast(bytes, data), media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def alerts(self, request: Request) -> Response:
        """Alerts, newest first; `next` is the `before` of the following page."""
        query = request.query_params
        state = query.get("state")
        if state not in (None, "open", "ended"):
            return _error(400, "state is 'open' or 'ended'")
        try:
            limit = int(query.get("limit", "100"))
        except ValueError:
            limit = 0
        if not 1 <= limit <= MAX_PAGE:
            return _error(400, f"limit is a number from 1 to {MAX_PAGE}")
        try:
            found = self._hub.alerts.select(
                query.get("camera"), cast(Literal["open", "ended"] | None, state), query.get("before"), limit + 1
            )
        except KeyError:
            return _error(400, "before is the id of an alert that is no longer kept")
        more = found[limit - 1].id if len(found) > limit else None
        return _json({"bus": self._hub.bus, "alerts": found[:limit], "next": more})

    async def alert(self, request: Request) -> Response:
        """One alert and what its evidence holds."""
        id = request.path_params["id"]
        alert = self._hub.alerts.get(id) or await self._stored_alert(id)
        if alert is None:
            return _error(404, "no alert of that id, or it is no longer kept")
        shown = await self._evidence(id)
        summary = None
        if shown is not None:
            summary = {
                "crops": [{"captured": frame.captured, "box": frame.box} for frame in shown.frames],
                "model": shown.model,
                "threshold": shown.threshold,
            }
        return _json({"alert": alert, "evidence": summary})

    async def crop(self, request: Request) -> Response:
        """One face crop of the window that raised an alert."""
        shown = await self._evidence(request.path_params["id"])
        number = request.path_params["n"]
        if shown is None or number >= len(shown.frames):
            return _error(404, "no such evidence, or it is no longer kept")
        return Response(shown.frames[number].jpeg, media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def subscribe(self, socket: WebSocket) -> None:
        """/ws/v1."""
        if not auth.origin_allowed(socket.headers):
            await socket.send_denial_response(_error(403, "this origin may not subscribe"))
            return
        await socket.accept()
        await Session(socket, self._hub, self._config, self._metrics).run()

    async def no_socket(self, socket: WebSocket) -> None:
        """Any other WebSocket address; the framework would answer 403."""
        await socket.send_denial_response(_error(404, "subscribe at /ws/v1"))

    async def _stored_alert(self, id: str) -> Alert | None:
        data: Any = await self._bus.get(self._config.keys.alert(id))
        try:
            return Alert.decode(data) if data is not None else None
        except DecodeError:
            return None

    async def _evidence(self, id: str) -> Evidence | None:
        parts: Any = await self._bus.hgetall(self._config.keys.evidence(id))
        return evidence.read(parts, Evidence)

    async def _bus_error(self, _request: Request, _error_: Exception) -> Response:
        return _error(503, "Redis can't be reached at the moment")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, dict(error.headers or {}))


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": message}, status, headers)


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
