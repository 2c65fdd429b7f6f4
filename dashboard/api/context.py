"""What the handlers share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from dashboard import operator
from dashboard.access.gate import Gate
from dashboard.access.principal import NOBODY, Principal
from dashboard.api.errors import Refused
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.spaces import Spaces, first
from wire.messages import Alert

GONE = "no alert of that id, or it is no longer kept"


@dataclass(frozen=True, slots=True)
class Context:
    """The dashboard behind the routes."""

    config: DashboardConfig
    hub: Hub
    metrics: Metrics
    gate: Gate
    who: Principal = NOBODY  # whoever asks: each request has a context of its own

    @property
    def spaces(self) -> Spaces:
        """Where things are kept."""
        return self.hub.spaces

    async def alert(self, request: Request) -> Alert:
        """The alert that the address names. Raises Refused, and redis errors."""
        alert = await self.find(request.path_params["id"])
        if alert is None:
            raise Refused(404, GONE)
        return alert

    async def find(self, id: str) -> Alert | None:
        """An alert that exists for whoever asks. Raises redis errors."""
        alert = self.hub.alerts.get(id)
        if alert is None or not self.who.may_see(alert.camera):  # what is hidden takes the way of what never was
            alert = await first(self.spaces, lambda space: operator.kept_alert(space.bus, space.keys, id))
        return alert if alert is not None and self.who.may_see(alert.camera) else None
