"""Reads what the cameras of a shard score and how they stand, on from a point at which the picture was whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from dashboard import cursors, streams, survey
from dashboard.cursors import Cursor
from dashboard.spaces import Space
from dashboard.state import TIMELINE_S
from dashboard.streams import Row

BLOCK_MS = 2000
READ_COUNT = 1000


class Listener(Protocol):
    """Who is told."""

    def take_scores(self, rows: Sequence[Row]) -> None:
        """Entries of the scores' stream."""

    def take_cameras(self, rows: Sequence[Row]) -> None:
        """Entries of the cameras' stream."""

    def take_states(self, names: Collection[str], states: Sequence[bytes | None]) -> None:
        """The configured cameras, and the newest state of each that has one."""


class Tail:
    """Of one shard. Every method raises redis errors, and goes on at the same place when called again."""

    def __init__(self, space: Space, listener: Listener) -> None:
        self._space, self._listener = space, listener
        self.scores_at: Cursor | None = None
        self._cameras_at: Cursor | None = None

    async def catch_up(self) -> None:
        """Every camera's newest state; the streams are read on from before that, so nothing falls between."""
        bus, keys = self._space.bus, self._space.keys
        if self.scores_at is None:
            seconds, _ = await bus.time()
            self.scores_at = cursors.at_time(seconds - TIMELINE_S)
        else:  # another Redis, or one that forgot, may count from an earlier time
            self.scores_at = min(self.scores_at, await streams.last_id(bus, keys.scores))
        position = await streams.last_id(bus, keys.cameras)
        names = await survey.camera_names(bus, keys)
        states: list[Any] = await bus.mget([keys.camera(name) for name in names]) if names else []
        self._listener.take_states(names, states)
        self._cameras_at = position

    async def follow(self) -> None:
        """Wait for more, a while at most, and tell it."""
        bus, keys = self._space.bus, self._space.keys
        assert self.scores_at is not None
        assert self._cameras_at is not None
        places: dict[Any, Any] = {
            keys.scores: cursors.show(self.scores_at),
            keys.cameras: cursors.show(self._cameras_at),
        }
        answer: Any = await bus.xread(places, count=READ_COUNT, block=BLOCK_MS)
        found: dict[bytes, Sequence[Row]] = dict(answer or [])
        if rows := found.get(keys.scores.encode()):
            self._listener.take_scores(rows)
            self.scores_at = cursors.parse(rows[-1][0])
        if rows := found.get(keys.cameras.encode()):
            self._listener.take_cameras(rows)
            self._cameras_at = cursors.parse(rows[-1][0])
