"""Which events a channel takes."""

from __future__ import annotations

from typing import Any

import pytest

from dashboard.notify.channel import passes
from tests.dashboard.feed import alert_event
from wire.settings import ChannelSettings


@pytest.mark.parametrize(
    ("filters", "events", "taken"),
    [
        ({}, (), True),
        ({}, ("new",), True),
        ({}, ("end", "update"), False),
        ({"cameras": ("lobby", "do*")}, (), True),
        ({"cameras": ("lobby",)}, (), False),
        ({"kinds": ("offline", "sustained")}, (), True),
        ({"kinds": ("offline",)}, (), False),
        ({"severities": ("critical",)}, (), True),
        ({"severities": ("warning",)}, (), False),
    ],
)
def test_filters(filters: dict[str, Any], events: tuple[Any, ...], taken: bool) -> None:
    assert passes(ChannelSettings(**filters), events, alert_event("a", "new", "door")) is taken
