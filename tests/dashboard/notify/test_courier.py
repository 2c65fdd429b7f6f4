"""How long an event is tried, by a clock that is handed in."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from msgspec.structs import replace

from dashboard.history import Entry
from dashboard.metrics import Metrics
from dashboard.notify.channel import TryLater
from dashboard.notify.courier import Courier
from tests.dashboard.feed import alert_event
from wire.keys import Keys
from wire.messages import AlertEvent

EVERY_S = 10.0


class Away:
    """A receiver that is away; each try takes EVERY_S by a clock that is `set_to` something else after the first."""

    name, kind, give_up_s = "webhook-soc", "webhook", 60.0

    def __init__(self, now: float, set_to: float) -> None:
        self.now, self.tries, self._set_to = now, 0, set_to

    def wants(self, event: AlertEvent) -> bool:
        return True

    async def deliver(self, entry: Entry) -> None:
        self.now = self.now + EVERY_S if self.tries else self._set_to
        self.tries += 1
        raise TryLater("away", 0.001)

    async def test(self) -> None:
        raise NotImplementedError


def tried(away: Away) -> int:
    bus: Any = None  # it is never asked: the event is handed in
    courier = Courier(away, bus, Keys(), structlog.get_logger(), Metrics(), lambda: away.now)
    asyncio.run(courier._handle(Entry.of((1, 0), replace(alert_event(), at=away.now))))
    return away.tries


def test_an_event_is_tried_until_it_is_too_old() -> None:
    assert tried(Away(10_000.0, set_to=10_000.0 + EVERY_S)) == 60 / EVERY_S


def test_a_clock_set_back_by_an_hour_gives_up_no_later() -> None:
    assert tried(Away(10_000.0, set_to=10_000.0 - 3600)) == 60 / EVERY_S + 1
