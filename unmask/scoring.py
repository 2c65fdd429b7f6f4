"""The windows of one file through the worker's scorer: what `scan` and `evaluate` share."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wire.messages import Score, Window
from worker.features import Feature, FrameId, MemoryCache, unique_ids
from worker.scorer import Scorer

BATCH = 16


class Batch(NamedTuple):
    """Windows, a score for each, and the features of the frames that no earlier batch held."""

    windows: list[Window]
    scores: list[Score]
    fresh: dict[FrameId, Feature]


def scored(scorer: Scorer, windows: Iterable[Window]) -> Iterator[Batch]:
    """Score windows in their order. Raises Unscorable, and whatever making the windows raises.

    Features are kept for this file only: another may well have the same name, and so the same names for its frames.
    """
    cache, rest = MemoryCache(), iter(windows)
    while batch := list(itertools.islice(rest, BATCH)):
        began = time.time()
        result = scorer.infer(batch, cache.fetch(unique_ids(batch)))
        cache.keep(result.fresh)
        pairs = zip(batch, result.logits, strict=True)
        yield Batch(batch, [scorer.judge(window, logit, began) for window, logit in pairs], result.fresh)
