"""What monitors ask for."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboard.api import answers
from dashboard.api.context import Context
from dashboard.api.types import Alive, Readiness
from dashboard.probes import measure, readiness


async def healthz(_context: Context, request: Request, _ask: None) -> Response:
    """The process is alive."""
    return answers.json(request, Alive(status="ok"))


async def readyz(context: Context, request: Request, _ask: None) -> Response:
    """Whether Redis answers and takes what is written, and a streamer and a worker are ready."""
    parts = await readiness(context.hub)
    ready = all(part.ok for part in parts.values())
    return answers.json(request, Readiness(ready=ready, parts=parts), 200 if ready else 503)


async def metrics(context: Context, _request: Request, _ask: None) -> Response:
    """Metrics as Prometheus reads them."""
    await measure(context.metrics, context.hub)
    return Response(context.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")
