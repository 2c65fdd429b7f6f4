from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import redis
import structlog

from tests.worker.making import settings, window
from wire.keys import FIELD, Keys
from wire.messages import Window
from wire.shards import Space
from worker.encoding import Encoding
from worker.features import Feature, FrameId
from worker.line import Line
from worker.load import Load
from worker.scorer import Inference, Scorer


class Watched(Scorer):
    """Calls `encoded` whenever a batch has been encoded, and `starting` before one is."""

    encoded: Callable[[], object]
    starting: Callable[[], object]

    def start(self, windows: Sequence[Window], known: Mapping[FrameId, Feature]) -> Encoding:
        self.starting()
        return super().start(windows, known)

    def infer(
        self,
        windows: Sequence[Window],
        known: Mapping[FrameId, Feature],
        abandon: Callable[[], bool] = lambda: False,
        begun: Encoding | None = None,
    ) -> Inference:
        made = super().infer(windows, known, abandon, begun)
        self.encoded()
        return made


def test_what_came_while_a_batch_was_encoded_waits_for_no_commit(
    tiny: Path, redis_url: str, bus: redis.Redis, keys: Keys
) -> None:
    configured = settings(tiny, redis_url, {"deadline_ms": 5000})
    scorer, waiting, committed = Watched(configured), [0, 1], list[int]()

    def put() -> None:
        if waiting:
            bus.xadd(keys.windows, {FIELD: window(waiting.pop(0)).encode()})

    scorer.encoded, scorer.starting = put, lambda: committed.append(int(bus.xlen(keys.scores)))
    load, log = Load(16, time.monotonic()), structlog.get_logger()
    budget, space = threading.Semaphore(2), Space(bus, keys)
    line = Line(configured, space, "w", scorer, time.time, lambda: False, budget, load, log)
    line.open(returned=False)
    put()
    for number in range(2):
        made = line.turn()
        assert made is not None
        assert [score.seq for score in made.scores] == [number]
    assert committed == [0, 0], "the second was begun before the first was committed"
