"""Which of the windows at hand are scored next, wait or are shed: batching and shedding put together, still pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from wire.settings import WorkerSettings
from worker.batching import Batcher
from worker.shedding import MARGIN, Division, Pace, Shares, Switch

T = TypeVar("T")
AHEAD = 4  # batches held at most, so that the choice among cameras is a choice
HELD, HELD_BYTES = 256, 64_000_000  # windows held at most while there is too much of them: a second's worth and more
SHED = 256  # windows given up in one batch at most
BATCH_SHARE = 0.125  # of the patience that a batch may take; two are on their way at once
KEPT_SHARE = 0.5  # of the target age that serving what is left takes, while windows are shed


class Pressure(msgspec.Struct, frozen=True):
    """More comes in than is served: windows a second."""

    arriving: float
    served: float

    def __str__(self) -> str:
        """In words, with as many decimals as it takes to tell one from the other."""
        shown = [(f"{self.arriving:.{decimals}f}", f"{self.served:.{decimals}f}") for decimals in range(4)]
        arriving, served = next((pair for pair in shown if pair[0] != pair[1]), shown[0])
        return f"{arriving} windows/s in, {served} served"


class Taken(NamedTuple, Generic[T]):
    """A batch, what is shed, and whether the batch is of cameras behind which no other is to wait."""

    items: list[T]
    shed: list[T]
    behind: bool = False


class Choice(Generic[T]):
    """The windows at hand, and which of them are scored next, wait or are shed: pure policy over passed-in times."""

    def __init__(
        self,
        settings: WorkerSettings,
        captured: Callable[[T], float],
        size: Callable[[T], int],
        track: Callable[[T], str],
        hold_s: float = math.inf,
        window_s: float | None = None,
    ) -> None:
        """`hold_s`: how long the scores of later windows, at another worker, wait for those held here; 0: not at all.
        `window_s`: how long a window may take, for as long as none has told.
        """
        self._settings, self._captured, self._bytes, self._track = settings, captured, size, track
        self._patience = min(settings.target_age_s, hold_s or math.inf)
        self._deadline = settings.deadline_ms / 1000
        self._batcher: Batcher[T] = Batcher(settings.batch, self._deadline)
        self._switch, self._pace, self._shares = Switch(settings.target_age_s), Pace(window_s), Shares()
        self._division = Division({}, math.inf, False)
        self._more = False  # in the stream

    def __len__(self) -> int:
        return len(self._batcher)

    @property
    def pressure(self) -> Pressure | None:
        """What comes in and what is served, while windows are shed."""
        asked = self._division.asked
        return Pressure(asked, min(self._pace.capacity, MARGIN * asked)) if self._switch.on else None

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

    def wait_s(self, now: float, idle: bool = False) -> float | None:
        """See Batcher; an `idle` device waits for nothing: what comes meanwhile is the next batch."""
        wait = self._batcher.wait_s(now, self._size())
        return 0.0 if idle and wait is not None else wait

    def room(self) -> int:
        """How many may be read: to choose from, in a time that the others' scores can wait for; or, where much is shed
        or some cameras ask for too much, to see all."""
        held = len(self._batcher)
        if not self._deep:
            return max(0, AHEAD * self._size() - held)
        size = sum(self._bytes(item) for item in self._batcher.items())
        return max(0, HELD - held) if size < HELD_BYTES else 0

    def read(self, all: bool) -> None:
        """The stream was read; whether it gave all that it was asked for, so that there may be more."""
        self._more = all

    def take(self, now: float, idle: bool = False) -> Taken[T]:
        """The next batch, empty where none is due, and what is shed; `idle` as for `wait_s`."""
        size = self._size()
        shed = self._shed(size, now)
        if self.wait_s(now, idle) != 0:
            return Taken([], shed)
        crowded = bool(self._division.behind)
        if crowded and (before := self._before(size)):
            return Taken(before, shed)
        return Taken(self._batch(size), shed, behind=crowded)

    def pass_by(self) -> list[T]:
        """What need not wait for the batch of a crowd that is on its way: the next batch of the other cameras."""
        return self._before(self._size())

    def _before(self, size: int) -> list[T]:
        return self._batcher.take(size, self._division.behind | (self._division.surplus if self._switch.on else set()))

    def _batch(self, size: int) -> list[T]:
        """While windows are shed: those of cameras within their share, then of the others those whose turn it is."""
        if not self._switch.on:
            return self._batcher.take(size)
        batch = self._batcher.take(size, self._division.surplus)
        return batch + self._batcher.draw(size - len(batch), self._turn)

    @property
    def _deep(self) -> bool:
        return self._switch.on or bool(self._division.behind)

    def _size(self) -> int:
        """Windows of the next batch: few where they take long, so that the target can be kept."""
        return self._pace.fitting(BATCH_SHARE * self._patience, self._settings.batch)

    def _shed(self, size: int, now: float) -> list[T]:
        """What is not to be scored: whatever is too old, and while a queue stands the surplus."""
        limit, target = self._settings.max_age_s, self._settings.target_age_s
        shed = self._batcher.shed(lambda _, item: now - self._captured(item) > limit, 0, SHED)
        keep = self._keep(size)
        if self._switch.look(math.inf if len(self) > keep else self._standing(size, now), now):
            over, left = self._division.surplus, SHED - len(shed)
            shed += self._batcher.shed(lambda c, item: now - self._captured(item) > target and c in over, size, left)
            shed += self._batcher.draw(min(len(self) - keep, SHED - len(shed)), self._last)
        return shed

    def _keep(self, size: int) -> int:
        """How many windows may wait before it is too much."""
        if self._deep and len(self) > size and self.room() == 0:  # the others' windows would wait in the stream
            return max(size, len(self) // 2)
        kept = self._pace.fitting(KEPT_SHARE * self._settings.target_age_s, HELD)
        return max(size, kept) if self._switch.on else len(self)

    def _rank(self, camera: str, item: T) -> float | None:
        if camera not in self._division.surplus:
            return None
        return self._division.rank(camera, self._track(item), self._captured(item))

    def _turn(self, camera: str, item: T) -> tuple[float, ...] | None:
        """The order of scoring: the tracks whose turn it is as they came, then those that come next."""
        rank = self._rank(camera, item)
        return None if rank is None else (max(1.0, rank), self._captured(item))

    def _last(self, camera: str, item: T) -> tuple[float, ...] | None:
        """The order of shedding."""
        rank = self._rank(camera, item)
        return None if rank is None else (-rank, -self._captured(item))

    def _standing(self, size: int, now: float) -> float | None:
        """The age of the oldest window that waits; None where the next batch takes all there are."""
        if len(self._batcher) <= size and not self._more:
            return None
        return max((now - self._captured(item) for item in self._batcher.heads()), default=None)
