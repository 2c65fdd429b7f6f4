"""Who is told: each subscriber is offered what is new, and all are woken once for what came together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from dashboard.protocol import CameraMessage, CameraView, ScoreMessage, encode
from wire.messages import Score

MAX_VIEWS = 8192  # of cameras, those that were taken out among them; the one told longest ago goes first


class Subscriber(Protocol):
    """A connection, as the hub sees it. No call may block."""

    def wake(self) -> None:
        """Something changed: alert events, what was offered, the bus or the services."""

    def offer_score(self, score: Score, text: str) -> None:
        """A new score; `wake` follows."""

    def offer_camera(self, name: str, text: str) -> None:
        """A new view of a camera; `wake` follows."""


class Subscribers:
    """The subscribers of one hub."""

    def __init__(self) -> None:
        self._members: set[Subscriber] = set()
        self._news = False  # something came that they are not woken for yet
        self._views: dict[str, tuple[int, str]] = {}  # the last that was told of each camera; the newest comes last
        self._count = 0

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Subscriber]:
        return iter(self._members)

    def add(self, subscriber: Subscriber) -> None:
        """Tell it from now on."""
        self._members.add(subscriber)

    def discard(self, subscriber: Subscriber) -> None:
        """Tell it no more."""
        self._members.discard(subscriber)
        if not self._members:
            self._views.clear()

    def expect(self) -> None:
        """Something came that they fetch themselves once woken."""
        self._news = True

    def offer_score(self, score: Score) -> None:
        """A new score; `deliver` follows."""
        if self._members:
            text = encode(ScoreMessage(score=score))
            for subscriber in self._members:
                subscriber.offer_score(score, text)
            self._news = True

    def offer_camera(self, view: CameraView, *, removed: bool = False) -> None:
        """A new view of a camera; `deliver` follows."""
        if self._members:
            text = encode(CameraMessage(camera=view, removed=removed))
            self._note(view.name, text)
            for subscriber in self._members:
                subscriber.offer_camera(view.name, text)
            self._news = True

    @property
    def place(self) -> int:
        """Where the views told so far end, for `views_after`."""
        return self._count

    def views_after(self, place: int) -> Iterator[tuple[str, str]]:
        """The newest view of each camera of which something was told after a place: name and message."""
        for name, (number, text) in reversed(self._views.items()):
            if number <= place:
                return
            yield name, text

    def deliver(self) -> None:
        """Wake them if something came."""
        if self._news:
            self.wake()

    def wake(self) -> None:
        """Wake them."""
        self._news = False
        for subscriber in self._members:
            subscriber.wake()

    def _note(self, name: str, text: str) -> None:
        self._count += 1
        self._views.pop(name, None)
        self._views[name] = self._count, text
        if len(self._views) > MAX_VIEWS:
            del self._views[next(iter(self._views))]
