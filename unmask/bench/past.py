"""What Redis holds of a fleet that has been running for a while: so that a short span finds what a long one leaves.

Written by the worker's own alert logic and publisher, over scores as `unmask.bench.synthetic` gives them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import redis
from redis.client import Pipeline

from unmask.bench import fakes
from unmask.bench.streamers import ANALYSED, Cameras, rate
from wire.keys import Keys
from wire.messages import Score, Window
from wire.settings import Settings
from worker import alerts
from worker.alerts import Told, TrackState
from worker.level import Rules
from worker.publish import Publisher

WINDOWS = 8  # of each face that were scored before: enough for an alert to stand
APART = 3  # some have up to so many more, less one, so that not all alerts are updated at once
FEW = 100  # cameras that are written at once
SAMPLE = 20  # cameras whose keys are measured


class Past:
    """What is kept of these cameras, by the worker's `settings`: `model` names the features, `dim` is their length."""

    def __init__(self, keys: Keys, cameras: Cameras, model: str, dim: int, settings: Settings, speed: float) -> None:
        self._keys, self._cameras, self._model = keys, cameras, model
        self._publish = Publisher(keys, settings)
        self._rules = Rules.of(settings.alerts, fakes.RULES["exit"], fakes.RULES["enter"])
        self._window_s, self._frame_s = 1 / rate(1, speed), 1 / (ANALYSED * speed)
        self._feature, self._ttl_s = np.zeros(dim, "<f2").tobytes(), settings.worker.feature_ttl_s
        self._sample: dict[str, list[str]] = {}

    def write(self, bus: redis.Redis) -> Iterator[int]:
        """Bring it about; yields how many cameras are done. Raises redis.RedisError."""
        count = len(self._cameras.names)
        for first in range(0, count, FEW):
            with bus.pipeline(transaction=False) as pipe:
                for at in range(first, min(first + FEW, count)):
                    self._camera(pipe, at)
                pipe.execute()
            yield min(first + FEW, count)

    def sizes(self, bus: redis.Redis) -> dict[str, int]:
        """Bytes of one camera with a face by what they are for, keys included, over the first few cameras.

        Raises redis.RedisError.
        """
        found = {}
        for kind, keys in self._sample.items():
            with bus.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.memory_usage(key)
                found[kind] = round(sum(size or 0 for size in pipe.execute()) / min(SAMPLE, len(self._cameras.names)))
        return found

    def _camera(self, pipe: Pipeline, at: int) -> None:
        name, now = self._cameras.names[at], time.time()
        windows = [self._cameras.next(at) for _ in range(WINDOWS + at % APART)]
        last = windows[-1]
        pipe.sadd(self._keys.camera_names, name)
        pipe.set(self._keys.camera(name), self._cameras.state(at, "streamer-0", face=True).encode())
        pipe.set(self._keys.preview(name), self._cameras.preview)
        new = state = TrackState(camera=name, track=last.track)
        told: tuple[Told, ...] = ()
        for ago, window in zip(reversed(range(len(windows))), windows, strict=True):
            state, more = alerts.step(state, self._score(window, now - ago * self._window_s), self._rules, now)
            told += more
        self._publish.state(pipe, new, state, alerts.due(state, self._rules), {})
        for one in told:
            self._publish.event(pipe, one.event)
        features = []
        for age in range(round(self._ttl_s / self._frame_s)):
            features.append(self._keys.feature(name, last.track, last.frames[-1].index - age, self._model))
            pipe.set(features[-1], self._feature, px=max(1, round(1000 * (self._ttl_s - age * self._frame_s))))
        if at < SAMPLE:
            kept = {
                "features": features, "track": [self._keys.track(name, last.track)],
                "preview": [self._keys.preview(name)], "state": [self._keys.camera(name)],
            }  # fmt: skip
            for kind, keys in kept.items():
                self._sample.setdefault(kind, []).extend(keys)

    def _score(self, window: Window, captured: float) -> Score:
        p_fake = fakes.p_fake(window.camera)
        return Score(
            window=window.id, camera=window.camera, track=window.track, epoch=window.epoch, seq=window.seq,
            logit=fakes.logit(window.camera), p_fake=p_fake, verdict="fake" if p_fake > 0.5 else "clean",
            quality=window.quality, model=self._model, box=window.frames[-1].box, frame_size=window.frame_size,
            started=captured, captured=captured, enqueued=captured, dequeued=captured, scored=captured,
        )  # fmt: skip
