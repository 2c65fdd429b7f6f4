"""Alerts as they stand, and the newest alert events: pure and bounded."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from dashboard import cursors
from dashboard.cursors import START, Cursor
from dashboard.protocol import AlertMessage, encode
from wire.messages import Alert, AlertEvent

MAX_ALERTS = 5000  # ended ones beyond this are forgotten, the oldest first
MAX_EVENTS = 2000  # older ones are read from Redis again


@dataclass(frozen=True, slots=True)
class Entry:
    """One alert event with its place in the stream and its text, made once for all subscribers."""

    cursor: Cursor
    event: AlertEvent
    text: str

    @classmethod
    def of(cls, cursor: Cursor, event: AlertEvent) -> Entry:
        """The entry of an event at its place."""
        message = AlertMessage(event=event.event, cursor=cursors.show(cursor), at=event.at, alert=event.alert)
        return cls(cursor, event, encode(message))


class RecentEvents:
    """Every alert event after `base`, up to the newest one read."""

    def __init__(self, limit: int = MAX_EVENTS) -> None:
        self._limit = limit
        self._entries: list[Entry] = []
        self.base: Cursor = START
        self.newest: Cursor = START

    def add(self, entry: Entry) -> None:
        """Append the next event; half of the list is let go when it is full."""
        self._entries.append(entry)
        self.newest = entry.cursor
        if len(self._entries) > self._limit:
            half = self._limit // 2
            self.base = self._entries[-half - 1].cursor
            self._entries = self._entries[-half:]

    def skip(self, cursor: Cursor) -> None:
        """Note that there is nothing of use up to here."""
        self.newest = cursor

    def covers(self, cursor: Cursor) -> bool:
        """Whether everything after `cursor` is here."""
        return self.base <= cursor <= self.newest

    def after(self, cursor: Cursor, limit: int) -> list[Entry]:
        """The events that follow `cursor`."""
        first = bisect_right(self._entries, cursor, key=lambda entry: entry.cursor)
        return self._entries[first : first + limit]

    def clear(self) -> None:
        """Start again from nothing."""
        self._entries.clear()
        self.base = self.newest = START


class AlertBook:
    """Each alert's newest form, by id."""

    def __init__(self, limit: int = MAX_ALERTS) -> None:
        self._limit = limit
        self._alerts: dict[str, Alert] = {}
        self._open: dict[str, Alert] = {}

    def take(self, event: AlertEvent) -> None:
        """Take an event; an alert that has ended stays ended."""
        alert = event.alert
        known = self._alerts.get(alert.id)
        if known is not None and known.ended is not None and alert.ended is None:
            return
        self._alerts[alert.id] = alert
        if alert.ended is None and event.event != "end":
            self._open[alert.id] = alert
        else:
            self._open.pop(alert.id, None)
        if len(self._alerts) > self._limit + self._limit // 10:
            self._trim()

    def _trim(self) -> None:
        ended = [id for id in self._alerts if id not in self._open]  # in the order of their first event
        for id in ended[: len(self._alerts) - self._limit]:
            del self._alerts[id]

    def get(self, id: str) -> Alert | None:
        """One alert."""
        return self._alerts.get(id)

    def open(self) -> tuple[Alert, ...]:
        """Open alerts, the latest to start first."""
        return tuple(sorted(self._open.values(), key=_order, reverse=True))

    def select(
        self, camera: str | None, state: Literal["open", "ended"] | None, before: str | None, limit: int
    ) -> list[Alert]:
        """Alerts, the latest to start first, that started before the one with id `before`. Raises KeyError."""
        bound = _order(self._alerts[before]) if before is not None else None
        chosen = [
            alert
            for alert in self._alerts.values()
            if (camera is None or alert.camera == camera)
            and (state is None or (alert.id in self._open) == (state == "open"))
            and (bound is None or _order(alert) < bound)
        ]
        return sorted(chosen, key=_order, reverse=True)[:limit]

    def clear(self) -> None:
        """Forget all."""
        self._alerts.clear()
        self._open.clear()


def _order(alert: Alert) -> tuple[float, str]:
    return alert.started, alert.id
