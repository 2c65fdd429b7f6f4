"""Whether a series grows: a robust slope with an interval that knows that neighbours are alike. Pure.

The slope is Theil's and Sen's (Sen, JASA 63, 1968): the median of the slopes of all pairs of points. Its interval comes
from Kendall's S, whose variance is inflated for serial correlation (Yue & Wang, Water Resources Management 18, 2004):
memory that was once taken stays, so that a hundred samples of it are far fewer than a hundred witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Verdict = Literal["holds", "fails", "undecided"]
Floats = NDArray[np.float64]

Z = 1.96  # 95 %
LEAST_POINTS = 8
BUCKET_S = 60.0
LEAST_S = 900.0  # after the warm-up; over less, no interval is believed
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth in units an hour, with the 95 % interval; `points` are those it rests on."""

    per_hour: float
    low: float
    high: float
    points: int
    seconds: float


def buckets(times: Sequence[float], values: Sequence[float], width_s: float = BUCKET_S) -> tuple[Floats, Floats]:
    """Medians of time and value by stretches of `width_s`: a short-lived child or a gap does not count."""
    held: dict[int, list[tuple[float, float]]] = {}
    for at, value in zip(times, values, strict=True):
        held.setdefault(int((at - times[0]) // width_s), []).append((at, value))
    rows = [(median(at for at, _ in rows), median(value for _, value in rows)) for _, rows in sorted(held.items())]
    return np.array([at for at, _ in rows], float), np.array([value for _, value in rows], float)


def slope(times: Sequence[float], values: Sequence[float], width_s: float = BUCKET_S) -> Slope | None:
    """The growth of `values` over `times` (seconds); None for fewer than LEAST_POINTS stretches of `width_s`."""
    if not times:
        return None
    x, y = buckets(times, values, width_s)
    count = len(x)
    if count < LEAST_POINTS:
        return None
    first, second = np.triu_indices(count, 1)
    slopes = np.sort((y[second] - y[first]) / (x[second] - x[first]))
    middle = float(np.median(slopes))
    variance = count * (count - 1) * (2 * count + 5) / 18 * inflation(y - middle * x)
    reach = Z * sqrt(variance)
    low = max(0, int((len(slopes) - reach) // 2))
    high = min(len(slopes) - 1, int((len(slopes) + reach) // 2 + 1))
    hour = (middle * HOUR_S, float(slopes[low]) * HOUR_S, float(slopes[high]) * HOUR_S)
    return Slope(*hour, points=count, seconds=float(x[-1] - x[0]))


def inflation(residuals: Floats) -> float:
    """What serial correlation makes of the variance: 1 + 2 sum (1 - k/n) r_k over the lags up to the first r <= 0."""
    centred, count = residuals - residuals.mean(), len(residuals)
    power = float(centred @ centred)
    total = 1.0
    for lag in range(1, count // 2):
        correlation = float(centred[:-lag] @ centred[lag:]) / power if power > 0 else 0.0
        if correlation <= 0:
            break
        total += 2 * (1 - lag / count) * correlation
    return total


def judge(found: Slope | None, limit: float, least_s: float = LEAST_S) -> Verdict:
    """Against `limit` units an hour: decided only where the whole interval lies on one side of it."""
    if found is None or found.seconds < least_s:
        return "undecided"
    if found.high < limit:
        return "holds"
    return "fails" if found.low >= limit else "undecided"


def flat(times: Sequence[float], values: Sequence[float], slack: int, least_s: float = LEAST_S) -> Verdict:
    """Of a count (descriptors, threads): median and peak of the last third are at most `slack` above the first's."""
    if not times or times[-1] - times[0] < least_s:
        return "undecided"
    third = (times[-1] - times[0]) / 3
    first = [value for at, value in zip(times, values, strict=True) if at <= times[0] + third]
    last = [value for at, value in zip(times, values, strict=True) if at >= times[-1] - third]
    steady = median(last) - median(first) <= slack and max(last) - max(first) <= slack
    return "holds" if steady else "fails"


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """What all of them together say."""
    return "fails" if "fails" in verdicts else "undecided" if "undecided" in verdicts else "holds"
