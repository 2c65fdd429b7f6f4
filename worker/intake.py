"""What this worker holds of the queue: windows waiting for a batch, and entries to be tried alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from wire.errors import DecodeError
from wire.settings import WorkerSettings
from worker.batching import Batcher
from worker.queue import Entry, Item, WindowQueue, read_window

AHEAD = 4  # batches held at most, so that the choice among cameras is a choice
IDLE_BLOCK_S = 0.5  # longest wait for a window: a signal is noticed within it


class Batch(msgspec.Struct, frozen=True):
    """What is to be scored together, and what is to be settled as stale, unscored."""

    items: list[Item]
    shed: list[Item] = []


class Grave(Protocol):
    """Where bytes that are no window go."""

    def bury(self, entry: Entry, error: str) -> bool:
        """See Ledger."""


class Intake:
    """Reads, claims and hands out. Every method that talks to Redis raises redis.RedisError and forgets nothing."""

    def __init__(self, queue: WindowQueue, grave: Grave, settings: WorkerSettings, clock: Callable[[], float]) -> None:
        self._queue, self._grave, self._clock = queue, grave, clock
        self._batcher: Batcher[Item] = Batcher(settings.batch, settings.deadline_ms / 1000)
        self._ahead, self._idle = AHEAD * settings.batch, settings.reclaim_idle_s
        self._alone: deque[bytes] = deque()
        self._unread: deque[Entry] = deque()
        self._out: dict[bytes, Item] = {}  # handed out, not yet done with, by entry
        self._swept = clock()

    def open(self) -> int:
        """Make the group if need be; how many entries of an earlier life, or of lost replies, are to be tried."""
        held = self._held()
        found = [id for id in self._queue.open() if id not in held]
        self._alone.extend(found)
        return len(found)

    def next(self, block: bool = True) -> Batch | None:
        """Another batch: one window left behind by a dead worker, else those that are due; None if none is.

        It waits for windows only with `block`, and then a while at most.
        """
        self._keep_up()
        self._sort_in()
        items = self._claim() or self._due(block)
        self._out.update((item.entry.id, item) for item in items)
        return Batch(items) if items else None

    def done(self, items: Iterable[Item], again: Sequence[bytes] = ()) -> None:
        """These are settled, but for those of `again`, which are to be tried alone."""
        for item in items:
            self._out.pop(item.entry.id, None)
        self._alone.extend(again)

    def _due(self, block: bool) -> list[Item]:
        """Read on until a batch is due; one blocking read at most."""
        now = self._clock()
        wait = self._batcher.wait_s(now)
        room = self._ahead - len(self._batcher)
        if room > 0:
            block_s = min(IDLE_BLOCK_S, IDLE_BLOCK_S if wait is None else wait) if block and not self._alone else 0.0
            self._unread.extend(self._queue.read(room, block_s, self._clock))
            self._sort_in()
        return self._batcher.take() if self._batcher.wait_s(self._clock()) == 0 else []

    def _claim(self) -> list[Item]:
        """One entry to be tried alone, with its delivery count raised."""
        while self._alone:
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
                self._batcher.add(item.window.camera, item, self._clock())

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
        waiting = {item.entry.id for item in self._batcher.items()}
        return waiting | self._out.keys() | set(self._alone) | {entry.id for entry in self._unread}
