"""Which of the windows at hand are scored next, wait or are shed: batching and shedding put together, still pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from wire.settings import WorkerSettings
from worker.batching import Batcher
from worker.shedding import Division, Pace, Shares, Switch

T = TypeVar("T")
AHEAD = 4  # batches held at most, so that the choice among cameras is a choice
HELD, HELD_BYTES = 256, 64_000_000  # windows held at most while there is too much of them: a second's worth and more
SHED = 256  # windows given up in one batch at most
BATCH_SHARE = 0.125  # of the target age that a batch may take; two are on their way at once


class Pressure(msgspec.Struct, frozen=True):
    """More comes in than is served: windows a second."""

    arriving: float
    served: float


class Choice(Generic[T]):
    """The windows at hand, and which of them are scored next, wait or are shed: pure policy over passed-in times."""

    def __init__(self, settings: WorkerSettings, captured: Callable[[T], float], size: Callable[[T], int]) -> None:
        self._settings, self._captured, self._bytes = settings, captured, size
        self._deadline = settings.deadline_ms / 1000
        self._batcher: Batcher[T] = Batcher(settings.batch, self._deadline)
        self._switch, self._pace, self._shares = Switch(settings.target_age_s), Pace(), Shares()
        self._division = Division({}, math.inf, False)
        self._more = False  # in the stream

    def __len__(self) -> int:
        return len(self._batcher)

    @property
    def pressure(self) -> Pressure | None:
        """What comes in and what is served, while windows are shed."""
        return Pressure(self._division.asked, self._pace.capacity) if self._switch.on else None

    def items(self) -> list[T]:
        """Everything that waits."""
        return self._batcher.items()

    def add(self, camera: str, item: T, now: float, entered: float) -> None:
        """Let a window wait; `entered`: when it entered the stream, by the stream's clock."""
        self._batcher.add(camera, item, now)
        self._shares.note(camera, entered)

    def took(self, seconds: float, windows: int) -> None:
        """A batch was settled."""
        self._pace.note(seconds, windows)

    def divide(self) -> None:
        """Weigh anew what the cameras ask for: once before each batch."""
        self._division = Division(self._shares.rates(), self._pace.capacity, self._switch.on)

    def wait_s(self, now: float) -> float | None:
        """See Batcher."""
        return self._batcher.wait_s(now, self._size())

    def room(self) -> int:
        """How many may be read: to choose from, or, where much is shed or some cameras ask for too much, to see all."""
        held, batches = len(self._batcher), AHEAD * self._settings.batch
        if not self._deep:
            return max(0, batches - held)
        size = sum(self._bytes(item) for item in self._batcher.items())
        return max(0, HELD - held) if size < HELD_BYTES else 0

    def read(self, all: bool) -> None:
        """The stream was read; whether it gave all that it was asked for, so that there may be more."""
        self._more = all

    def take(self, now: float) -> tuple[list[T], list[T]]:
        """The next batch, empty where none is due, and what is shed."""
        size = self._size()
        shed = self._shed(size, now)
        if self._batcher.wait_s(now, size) != 0:
            return [], shed
        if not self._division.mixed:
            return self._batcher.take(size), shed
        return self._batcher.take(size, self._division.surplus, self._pace.fitting(self._deadline, size)), shed

    @property
    def _deep(self) -> bool:
        return self._switch.on or self._division.mixed

    def _size(self) -> int:
        """Windows of the next batch: few where they take long, so that the target can be kept. Of cameras that ask for
        too much it has no more than takes a deadline, where others would wait behind them."""
        return self._pace.fitting(BATCH_SHARE * self._settings.target_age_s, self._settings.batch)

    def _shed(self, size: int, now: float) -> list[T]:
        """What is not to be scored: whatever is too old, and while a queue stands the surplus beyond the target."""
        limit, target = self._settings.max_age_s, self._settings.target_age_s
        shed = self._batcher.shed(lambda _, item: now - self._captured(item) > limit, 0, SHED)
        full = (
            self._deep and len(self._batcher) > size and self.room() == 0
        )  # the others' windows would wait in the stream
        if self._switch.look(math.inf if full else self._standing(size, now), now):
            over, left = self._division.surplus, SHED - len(shed)
            old = self._batcher.shed(lambda c, item: now - self._captured(item) > target and c in over, size, left)
            half = max(size, len(self._batcher) // 2) if full else len(self._batcher)
            shed += old + self._batcher.shed(lambda c, _: c in over, half, left - len(old))
        return shed

    def _standing(self, size: int, now: float) -> float | None:
        """The age of the oldest window that waits; None where the next batch takes all there are."""
        if len(self._batcher) <= size and not self._more:
            return None
        return max((now - self._captured(item) for item in self._batcher.heads()), default=None)
