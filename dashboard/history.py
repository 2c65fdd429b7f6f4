"""Alerts as they stand, and the newest alert events: pure and bounded."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile
from math import inf

from msgspec import UNSET
from msgspec.structs import replace

from dashboard import cursors
from dashboard.cursors import START, Cursor
from dashboard.protocol import AlertMessage, encode
from wire.messages import Alert, AlertEvent

MAX_ALERTS = 20_000  # what REST lists and filters; ended ones beyond this are forgotten, the oldest first
MAX_EVENTS = 2000  # older ones are read from Redis again

Place = tuple[float, str]  # of an alert in time: when it started, its id


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
        """Append the next event; the oldest tenth is let go when the list is full."""
        self._entries.append(entry)
        self.newest = entry.cursor
        if len(self._entries) > self._limit:
            self._let_go(max(1, self._limit // 10))  # not half: what is held would grow again for an hour

    def skip(self, cursor: Cursor) -> None:
        """Note that there is nothing of use up to here."""
        self.newest = cursor

    def forget(self, before: float) -> None:
        """Let go of what was written before a time, in seconds."""
        gone = bisect_left(self._entries, cursors.at_time(before), key=lambda entry: entry.cursor)
        if gone:
            self._let_go(gone)

    def _let_go(self, gone: int) -> None:
        self.base = self._entries[gone - 1].cursor
        del self._entries[:gone]

    def covers(self, cursor: Cursor) -> bool:
        """Whether everything after `cursor` is here."""
        return self.base <= cursor <= self.newest

    def after(self, cursor: Cursor, limit: int) -> list[Entry]:
        """The events that follow `cursor`."""
        first = bisect_right(self._entries, cursor, key=lambda entry: entry.cursor)
        return self._entries[first : first + limit]

    def last(self, wanted: Callable[[Entry], bool]) -> Cursor:
        """The place of the newest event that is wanted, or of where this memory begins."""
        return next((entry.cursor for entry in reversed(self._entries) if wanted(entry)), self.base)

    def clear(self) -> None:
        """Start again from nothing."""
        self._entries.clear()
        self.base = self.newest = START


class AlertBook:
    """Each alert's newest form with its review, by id and in time order."""

    def __init__(self, limit: int = MAX_ALERTS) -> None:
        self._limit = limit
        self._alerts: dict[str, Alert] = {}
        self._open: dict[str, Alert] = {}
        self._places: list[Place] = []  # of all of them, ascending
        self._told: dict[str, float] = {}  # when the newest event of each was, in the order in which they came

    def __len__(self) -> int:
        return len(self._alerts)

    def take(self, event: AlertEvent) -> None:
        """Take an event; an alert that has ended stays ended, and one that says nothing of a review keeps its own."""
        alert, known = event.alert, self._alerts.get(event.alert.id)
        review = alert.review
        if known is not None and known.ended is not None and alert.ended is None:
            alert = known
        if known is not None and review is UNSET:
            review = known.review
        alert = alert if alert.review is review else replace(alert, review=review)
        self._put(alert, known)
        self._told.pop(alert.id, None)
        self._told[alert.id] = event.at
        if alert.ended is None and event.event != "end":
            self._open[alert.id] = alert
        else:
            self._open.pop(alert.id, None)
        if len(self._alerts) - len(self._open) > self._limit + self._limit // 10:
            self._trim()

    def _put(self, alert: Alert, known: Alert | None) -> None:
        self._alerts[alert.id] = alert
        if known is not None and place_of(known) != place_of(alert):
            del self._places[bisect_left(self._places, place_of(known))]
            known = None
        if known is None:
            insort(self._places, place_of(alert))

    def forget(self, before: float) -> None:
        """Let go of what has ended and was last told of before a time, in seconds, as Redis does."""
        old = [id for id in takewhile(lambda id: self._told[id] < before, self._told) if id not in self._open]
        if old:
            self._drop(old)

    def _trim(self) -> None:
        ended = [id for _, id in self._places if id not in self._open]
        self._drop(ended[: len(ended) - self._limit])

    def _drop(self, ids: Iterable[str]) -> None:
        for id in ids:
            del self._alerts[id], self._told[id]
        self._places = [place for place in self._places if place[1] in self._alerts]

    def get(self, id: str) -> Alert | None:
        """One alert."""
        return self._alerts.get(id)

    def open(self) -> tuple[Alert, ...]:
        """Open alerts, the latest to start first."""
        return tuple(sorted(self._open.values(), key=place_of, reverse=True))

    def reviewed(self) -> dict[str, int]:
        """How many alerts bear each verdict of a review."""
        counts = {"none": 0, "confirmed": 0, "false-alarm": 0}
        for alert in self._alerts.values():
            if alert.review is not UNSET:
                counts[alert.review.verdict] += 1
        return counts

    def select(
        self,
        wants: Callable[[Alert], bool],
        limit: int,
        before: Place | None = None,
        since: float = -inf,
        until: float = inf,
    ) -> list[Alert]:
        """Wanted alerts, the latest to start first, that started within these times and lie before a place."""
        first = bisect_left(self._places, (since, ""))
        end = bisect_right(self._places, until, key=lambda place: place[0])
        if before is not None:
            end = min(end, bisect_left(self._places, before))
        found: list[Alert] = []
        for number in range(end - 1, first - 1, -1):
            if len(found) == limit:
                break
            alert = self._alerts[self._places[number][1]]
            if wants(alert):
                found.append(alert)
        return found

    def clear(self) -> None:
        """Forget all."""
        self._alerts.clear()
        self._open.clear()
        self._places.clear()
        self._told.clear()


def place_of(alert: Alert) -> Place:
    """Where the alert lies in time; no two alerts lie at one place."""
    return alert.started, alert.id
