"""What this worker holds of the queue: windows waiting for a batch, and entries to be tried alone."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from wire.errors import DecodeError
from wire.settings import WorkerSettings
from worker.choice import Choice, Pressure
from worker.queue import Entry, Item, WindowQueue, read_window

IDLE_BLOCK_S = 0.5  # longest wait for a window: a signal is noticed within it


class Batch(msgspec.Struct, frozen=True):
    """What is to be scored together, and what is to be settled as stale, unscored."""

    items: list[Item]
    shed: list[Item] = []
    behind: bool = False  # of a crowd; see Intake.pass_by


class Grave(Protocol):
    """Where bytes that are no window go."""

    def bury(self, entry: Entry, error: str) -> bool:
        """See Ledger."""


class Intake:
    """Reads, claims and hands out. Every method that talks to Redis raises redis.RedisError and forgets nothing."""

    def __init__(
        self,
        queue: WindowQueue,
        grave: Grave,
        settings: WorkerSettings,
        clock: Callable[[], float],
        hold_s: float = math.inf,
        window_s: float | None = None,
    ) -> None:
        """`hold_s` and `window_s`: see Choice."""
        self._queue, self._grave, self._idle, self._clock = queue, grave, settings.reclaim_idle_s, clock
        self._choice: Choice[Item] = Choice(
            settings,
            lambda item: item.window.captured,
            lambda item: len(item.entry.data),
            lambda item: item.window.track,
            hold_s,
            window_s,
        )
        self._alone: deque[bytes] = deque()
        self._unread: deque[Entry] = deque()
        self._out: dict[bytes, Item] = {}  # handed out, not yet done with, by entry
        self._began: dict[bytes, tuple[float, int]] = {}  # batches out: when, how many, by their first entry
        self._swept = self._finished = clock()

    @property
    def pressure(self) -> Pressure | None:
        """What comes in and what is served, while windows are shed."""
        return self._choice.pressure

    def open(self) -> int:
        """Make the group if need be; how many entries of an earlier life, or of lost replies, are to be tried."""
        held = self._held()
        found = [id for id in self._queue.open() if id not in held]
        self._alone.extend(found)
        return len(found)

    def next(self, block: bool = True, idle: bool = False) -> Batch | None:
        """Another batch: one window left behind by a dead worker, else those that are due; None if none is.

        It waits for windows only with `block`, and then a while at most. Whatever there is is due where the device is
        `idle`, as it is with `block`.
        """
        self._keep_up()
        self._sort_in()
        items = self._claim()
        return self._hand_out(Batch(items) if items else self._due(block, idle or block))

    def pass_by(self) -> Batch | None:
        """What has come of cameras that are not to wait while the batch of a crowd is on its way; None if nothing."""
        self._read(0.0)
        return self._hand_out(Batch(self._choice.pass_by()))

    def _hand_out(self, batch: Batch) -> Batch | None:
        self._out.update((item.entry.id, item) for item in (*batch.items, *batch.shed))
        if batch.items:
            self._began[batch.items[0].entry.id] = (self._clock(), len(batch.items))
        return batch if batch.items or batch.shed else None

    def done(self, items: Iterable[Item], again: Sequence[bytes] = ()) -> None:
        """These are settled, but for those of `again`, which are to be tried alone."""
        for item in items:
            self._out.pop(item.entry.id, None)
            if (began := self._began.pop(item.entry.id, None)) is not None:
                now = self._clock()
                self._choice.took(now - max(began[0], self._finished), began[1])
                self._finished = now
        self._alone.extend(again)

    def _due(self, block: bool, idle: bool) -> Batch:
        """Read on until a batch is due; one blocking read at most."""
        self._choice.divide()
        wait = self._choice.wait_s(self._clock(), idle)
        self._read(min(IDLE_BLOCK_S, IDLE_BLOCK_S if wait is None else wait) if block and not self._alone else 0.0)
        return Batch(*self._choice.take(self._clock(), idle))

    def _read(self, block_s: float) -> None:
        if (room := self._choice.room()) > 0:
            read = self._queue.read(room, block_s, self._clock)
            self._choice.read(len(read) == room)
            self._unread.extend(read)
            self._sort_in()

    def _claim(self) -> list[Item]:
        """One entry to be tried alone, with its delivery count raised. Not beside another such: a worker that dies then
        would count against both, and in a few lives a window that is at no fault would have been tried too often."""
        while self._alone and not any(item.entry.deliveries > 1 for item in self._out.values()):
            entry = self._queue.claim(self._alone[0], self._clock())
            self._alone.popleft()
            if entry is not None and (item := self._decode(entry)) is not None:
                return [item]
        return []

    def _sort_in(self) -> None:
        while self._unread:
            item = self._decode(self._unread[0])
            self._unread.popleft()
            if item is not None:
                self._choice.add(item.window.camera, item, item.entry.dequeued, item.entry.entered)

    def _decode(self, entry: Entry) -> Item | None:
        try:
            return Item(entry, read_window(entry.data))
        except DecodeError as error:
            self._grave.bury(entry, str(error))
            return None

    def _keep_up(self) -> None:
        """Twice per idle time: take over what nobody works on, and show that we still work on ours."""
        now = self._clock()
        if not 0 <= now - self._swept < self._idle / 2:
            held = self._held()
            self._queue.touch(list(held))
            self._alone.extend(self._queue.sweep(self._idle, held))
            self._swept = now

    def _held(self) -> set[bytes]:
        waiting = {item.entry.id for item in self._choice.items()}
        return waiting | self._out.keys() | set(self._alone) | {entry.id for entry in self._unread}
