"""Turning logits into verdicts: a temperature, and thresholds at chosen false-alarm rates.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from worker.checkpoint import Threshold, Thresholds, Typical

Array = npt.NDArray[np.float64]
LARGEST_P = 0.9999
MAD_TO_SD = 1.4826  # of a normal distribution


def probability(logit: float, temperature: float) -> float:
    """p_fake of one window: sigmoid(logit / temperature), without overflow."""
    scaled = logit / temperature
    return 1 / (1 + math.exp(-scaled)) if scaled >= 0 else math.exp(scaled) / (1 + math.exp(scaled))


def probabilities(logits: Array, temperature: float) -> Array:
    """p_fake of many windows."""
    return np.array([probability(float(logit), temperature) for logit in logits])


def fit_temperature(logits: Array, labels: npt.NDArray[np.int64]) -> float:
    """The temperature in 0.25..20 of least cross-entropy, both classes weighing the same."""
    weight = np.where(labels == 1, 0.5 / max(1, int(labels.sum())), 0.5 / max(1, int((1 - labels).sum())))
    sign = np.where(labels == 1, -1.0, 1.0)
    grid = np.geomspace(0.25, 20, 200)
    cost = [float((weight * np.logaddexp(0, sign * logits / t)).sum()) for t in grid]
    return float(grid[int(np.argmin(cost))])


def threshold(real: Array, false_alarm: float, weights: Array | None = None) -> Threshold:
    """The smallest p that at most a share `false_alarm` of real windows (by weight) reaches, and the share that did."""
    share = np.ones(len(real)) if weights is None else weights
    share = share / share.sum()
    order = np.argsort(-real)
    reached = np.cumsum(share[order])
    allowed = int(np.searchsorted(reached, false_alarm + 1e-12, side="right"))
    # between the last real window that may alarm and the first that may not
    floor = float(real[order[allowed]]) if allowed < len(real) else 0.0
    p = min(LARGEST_P, float(np.nextafter(floor, 1.0)))
    return Threshold(p=p, false_alarm=float(share[real >= p].sum()))


def thresholds(real: Array, suspect: float, fake: float, weights: Array | None = None) -> Thresholds:
    """Both thresholds from real windows' p_fake at their allowed false-alarm rates."""
    return Thresholds(suspect=threshold(real, suspect, weights), fake=threshold(real, fake, weights))


def typical(real: Array, weights: Array | None = None) -> Typical:
    """Weighted median of real windows' logits, and 1.4826 times the weighted median distance from it."""
    share = np.ones(len(real)) if weights is None else weights
    middle = _median(real, share)
    return Typical(median=middle, spread=MAD_TO_SD * _median(np.abs(real - middle), share))


def _median(values: Array, weights: Array) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
