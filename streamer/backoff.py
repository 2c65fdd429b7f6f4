"""How long to wait before a camera is tried again. Pure: randomness and time are passed in."""

from __future__ import annotations

import random
from collections.abc import Sequence

from wire.errors import SourceErrorKind

HEALTHY_S = 10.0  # a stretch of live video this long forgives what went before
JITTER = 0.2  # so that a hundred cameras behind one switch don't come back in step
HOPELESS: frozenset[SourceErrorKind] = frozenset(
    {"unauthorised", "certificate", "unsupported-codec", "no-video", "over-limit", "forbidden"}
)
HOPELESS_S = 10.0  # cameras lock a user out after a few wrong passwords: go slowly from the first one on


class Backoff:
    """Climbs `ladder` (seconds) with each failure and stays on its last rung."""

    def __init__(self, ladder: Sequence[float], rng: random.Random | None = None) -> None:
        self._ladder = tuple(ladder)
        self._rng = rng or random.Random()
        self._rung = 0

    def wait_s(self, kind: SourceErrorKind, live_for_s: float = 0.0) -> float:
        """The wait after a failure of this kind that ended `live_for_s` seconds of video."""
        if live_for_s >= HEALTHY_S:
            self._rung = 0
        wait = self._ladder[self._rung]
        self._rung = min(self._rung + 1, len(self._ladder) - 1)
        if kind in HOPELESS:
            wait = max(self._ladder[-1], HOPELESS_S)
        return wait * self._rng.uniform(1 - JITTER, 1 + JITTER)
