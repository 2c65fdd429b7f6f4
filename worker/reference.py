"""Scores relative to a camera: how far the logits of a camera known to be real move what is said of it later.

A camera's lens, light and codec move all of its logits alike, and so does the person before it. `unmask enrol` measures
both together. Only the camera's part may be taken away, so the difference from what real windows give elsewhere is
shrunk (empirical Bayes: Efron and Morris, 1975): cameras are taken to make CAMERA_SHARE of the variance of real
windows, people and chance the rest, which only more people average out. And it is limited: enrolling a fake must not
blind the camera.
"""

from __future__ import annotations

import math
from collections import Counter
from statistics import median
from typing import NamedTuple

from wire.messages import Reference, Score
from worker.calibration import MAD_TO_SD
from worker.checkpoint import Meta, Typical

CAMERA_SHARE = 0.25
MOST = 1.0  # of logit / temperature: the odds change by e at most, so p by .245 at most


def limit(meta: Meta) -> float:
    """The largest shift of a logit: at most what lies between `suspect` and `fake`: no verdict moves by two steps."""
    step = _log_odds(meta.thresholds.fake.p) - _log_odds(meta.thresholds.suspect.p)
    return meta.temperature * max(0.0, min(MOST, step))


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-9), 1 - 1e-9)
    return math.log(p / (1 - p))


def weight(reference: Reference) -> float:
    """How much of the difference is taken to be the camera's, 0..1.

    tau^2 n / (tau^2 n + sigma^2): tau^2 is CAMERA_SHARE of the variance of real windows, sigma the reference's spread,
    and n the people seen: a track is one at most, and so is a minute, for one face lost and found is many tracks.
    """
    seen = min(float(reference.tracks), reference.minutes)
    camera = seen * CAMERA_SHARE * reference.expected_spread**2
    noise = reference.spread**2
    return camera / (camera + noise) if camera > 0 and math.isfinite(camera + noise) else 0.0


def shift(reference: Reference | None, model: str, limit: float) -> float:
    """What is to be added to the logits of the reference's camera; 0 without a reference, or for another model's."""
    if reference is None or reference.model != model:
        return 0.0
    wanted = weight(reference) * (reference.expected - reference.median)
    return max(-limit, min(limit, wanted)) if math.isfinite(wanted) else 0.0


class Gathered(NamedTuple):
    """Logits of a camera's real windows, by track."""

    tracks: dict[str, list[float]]

    @property
    def windows(self) -> int:
        """How many there are."""
        return sum(len(logits) for logits in self.tracks.values())

    @property
    def median(self) -> float:
        """The median of the tracks' medians, so that who stays longest does not count most. Raises for none."""
        return median(median(logits) for logits in self.tracks.values())

    def reference(self, camera: str, model: str, made: float, minutes: float, real: Typical) -> Reference:
        """These as the camera's reference. Raises statistics.StatisticsError where there are none.

        Its spread is at least what people and chance make up of the variance elsewhere: a few alike prove nothing.
        """
        middle = self.median
        spread = MAD_TO_SD * median(abs(logit - middle) for logits in self.tracks.values() for logit in logits)
        return Reference(
            camera=camera,
            model=model,
            made=made,
            minutes=minutes,
            windows=self.windows,
            tracks=len(self.tracks),
            median=middle,
            spread=max(spread, math.sqrt(1 - CAMERA_SHARE) * real.spread),
            expected=real.median,
            expected_spread=real.spread,
        )


class Enrolment:
    """Collects a camera's scores while its picture is known to be real. Reads no clock, knows no Redis."""

    def __init__(self, camera: str, model: str, since: float) -> None:
        self._camera, self._model, self._since = camera, model, since
        self.gathered = Gathered({})
        self.unsure: Counter[str] = Counter()  # by the reason without its figures
        self.foreign: Counter[str] = Counter()  # of other models

    def add(self, score: Score) -> None:
        """Take a score of any camera; only what was all filmed since the beginning counts."""
        if score.camera != self._camera or score.started < self._since:
            return
        if score.model != self._model:
            self.foreign[score.model] += 1
        elif score.verdict == "unsure":
            self.unsure[score.reason.partition(" (")[0]] += 1
        else:
            self.gathered.tracks.setdefault(score.track, []).append(score.logit)
