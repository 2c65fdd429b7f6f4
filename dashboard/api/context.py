"""What the handlers share."""

from __future__ import annotations

from dataclasses import dataclass

import redis.asyncio
from starlette.requests import Request

from dashboard import operator
from dashboard.api.errors import Refused
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from wire.keys import Keys
from wire.messages import Alert

GONE = "no alert of that id, or it is no longer kept"


@dataclass(frozen=True, slots=True)
class Context:
    """The dashboard behind the routes."""

    config: DashboardConfig
    bus: redis.asyncio.Redis
    hub: Hub
    metrics: Metrics

    @property
    def keys(self) -> Keys:
        """The Redis keys."""
        return self.config.keys

    async def alert(self, request: Request) -> Alert:
        """The alert that the address names. Raises Refused, and redis errors."""
        id = request.path_params["id"]
        alert = self.hub.alerts.get(id) or await operator.kept_alert(self.bus, self.keys, id)
        if alert is None:
            raise Refused(404, GONE)
        return alert
