"""The frames whose features are known already: windows of a track overlap, and no frame is encoded twice.

A frame is named by camera, track and index; its features are float16, whether they come from here or are new.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import redis
from redis.client import Pipeline

from wire.keys import Keys
from wire.messages import Window

FrameId = tuple[str, str, int]
Feature = npt.NDArray[np.float16]  # (D,)


def frame_ids(window: Window) -> list[FrameId]:
    """The names of a window's frames, in their order."""
    return [(window.camera, window.track, frame.index) for frame in window.frames]


def unique_ids(windows: Iterable[Window]) -> list[FrameId]:
    """The names of all frames of `windows`, each once, in the order met."""
    return list(dict.fromkeys(name for window in windows for name in frame_ids(window)))


class MemoryCache:
    """In this process, the last `capacity` frames. Any thread may ask."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._known: OrderedDict[FrameId, Feature] = OrderedDict()

    def fetch(self, names: Sequence[FrameId]) -> dict[FrameId, Feature]:
        """Those of `names` that are known."""
        return {name: known for name in names if (known := self._known.get(name)) is not None}

    def keep(self, features: Mapping[FrameId, Feature]) -> None:
        """Remember these, and forget the oldest beyond the capacity."""
        self._known.update(features)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)


class RedisCache:
    """In Redis, under a TTL, shared by all workers that serve the same model."""

    def __init__(self, bus: redis.Redis, keys: Keys, model: str, dim: int, ttl_s: float) -> None:
        self._bus, self._keys, self._model, self._dim = bus, keys, model, dim
        self._ttl_ms = max(1, round(ttl_s * 1000))

    def fetch(self, names: Sequence[FrameId]) -> dict[FrameId, Feature]:
        """Those of `names` that are known; bytes of another length than D are no features of this model.

        Raises redis.RedisError.
        """
        if not names:
            return {}
        found = cast("list[bytes | None]", self._bus.mget([self._key(name) for name in names]))
        whole = 2 * self._dim
        return {
            name: np.frombuffer(raw, "<f2")
            for name, raw in zip(names, found, strict=True)
            if raw is not None and len(raw) == whole
        }

    def store(self, pipe: Pipeline, features: Mapping[FrameId, Feature]) -> None:
        """Add the SETs of these to a transaction."""
        for name, feature in features.items():
            data = feature.astype("<f2", copy=False).tobytes()
            # Not `pipe.set`, which spends ten times as long on options that are not there.
            pipe.execute_command("SET", self._key(name), data, "PX", self._ttl_ms)  # type: ignore[no-untyped-call]

    def _key(self, name: FrameId) -> str:
        return self._keys.feature(*name, self._model)
