"""What a channel is, and what it may answer."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from dashboard.history import Entry
from wire.messages import AlertEvent, AlertEventName
from wire.plugins import Refused, TryLater
from wire.settings import ChannelSettings

__all__ = ["LONGEST_WAIT_S", "TEST", "Channel", "Refused", "TryLater", "passes"]

LONGEST_WAIT_S = 3600.0  # that a receiver may ask for
TEST = b'{"type":"test","message":"a test message of Unmask"}'  # in the place of an alert event's text


class Channel(Protocol):
    """One receiver. Its name never holds a secret."""

    name: str
    kind: str
    give_up_s: float  # events older than this are not delivered any more

    def wants(self, event: AlertEvent) -> bool:
        """Whether the event passes the channel's filters."""

    async def deliver(self, entry: Entry) -> None:
        """Hand one event over. Raises TryLater or Refused, with reasons that hold no secret."""

    async def test(self) -> None:
        """Hand over a test message. Raises as `deliver`."""


def passes(settings: ChannelSettings, events: Sequence[AlertEventName], event: AlertEvent) -> bool:
    """Whether an event passes a channel's filters; empty ones let everything through. Pure."""
    alert = event.alert
    return (
        (not events or event.event in events)
        and (not settings.kinds or alert.kind in settings.kinds)
        and (not settings.severities or alert.severity in settings.severities)
        and (not settings.cameras or any(fnmatchcase(alert.camera, pattern) for pattern in settings.cameras))
    )
