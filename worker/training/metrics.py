"""Ranking and calibration metrics with bootstrap intervals over groups, and the shortcut probe.

A statistic takes weights (B, N), one row a draw, and gives B values: all draws are computed at once. The weight of an
item is how often its group was drawn, so that a weighted metric is the metric of the drawn sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import chi2

from worker.preprocess import Image

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]  # 1 fake, 0 real
DRAWS = 1000
CELLS = 4_000_000  # of a matrix of weights that is held at once
PROBE_SHARE, PROBE_PX = 0.65, 96  # what the shortcut probe sees of a crop: its middle, with little around the face


class Figure(msgspec.Struct, frozen=True):
    """A measured value with its 95 % bootstrap interval."""

    value: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.lo:.3f}-{self.hi:.3f})"


class Roc(NamedTuple):
    """Fakes and reals at or above each distinct score, from none to all: two arrays (B, K + 1)."""

    fakes: Array
    reals: Array


def roc(scores: Array, labels: Labels, weights: Array) -> Roc:
    """Weighted counts along falling scores; equal scores are one step. Scores and labels (N), weights (B, N)."""
    order = np.argsort(-scores, kind="stable")
    step = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    ordered, fake = weights[:, order], labels[order] == 1

    def counted(which: npt.NDArray[np.bool_]) -> Array:
        sums = np.cumsum(ordered * which, axis=1)[:, step]
        return np.concatenate([np.zeros((len(weights), 1)), sums], axis=1)

    return Roc(counted(fake), counted(~fake))


def rates(curve: Roc) -> tuple[Array, Array]:
    """False and true positive rates (B, K + 1); nan in draws without reals or without fakes."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return curve.reals / curve.reals[:, -1:], curve.fakes / curve.fakes[:, -1:]


def roc_auc(curve: Roc) -> Array:
    """Probability that a fake scores above a real, ties counted half."""
    fpr, tpr = rates(curve)
    return _defined(curve, (np.diff(fpr) * (tpr[:, 1:] + tpr[:, :-1]) / 2).sum(1))


def average_precision(curve: Roc) -> Array:
    """Sum of precision times the step in recall, without interpolation."""
    above = curve.fakes + curve.reals
    precision = np.divide(curve.fakes, above, out=np.zeros_like(above), where=above > 0)
    return _defined(curve, (np.diff(rates(curve)[1]) * precision[:, 1:]).sum(1))


def equal_error_rate(curve: Roc) -> Array:
    """Where as many reals are taken for fakes as fakes are missed, straight lines between the steps."""
    fpr, tpr = rates(curve)
    excess = fpr - (1 - tpr)  # from -1 to 1, never falling
    after = np.maximum(1, np.argmax(excess >= 0, axis=1))
    rows = np.arange(len(excess))
    low, high = excess[rows, after - 1], excess[rows, after]
    with np.errstate(invalid="ignore", divide="ignore"):
        part = -low / (high - low)
    return _defined(curve, fpr[rows, after - 1] + part * (fpr[rows, after] - fpr[rows, after - 1]))


def tpr_at(curve: Roc, limit: float) -> Array:
    """The largest share of fakes found at a threshold that at most a share `limit` of reals reaches."""
    fpr, tpr = rates(curve)
    return _defined(curve, np.where(fpr <= limit + 1e-12, tpr, 0.0).max(1))


def _defined(curve: Roc, values: Array) -> Array:
    """`values`, nan in draws that lack a class."""
    return np.where((curve.fakes[:, -1] > 0) & (curve.reals[:, -1] > 0), values, np.nan)


def calibration_error(p: Array, labels: Labels, weights: Array, bins: int = 10) -> Array:
    """Expected calibration error, equal bins (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017)."""
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    member = np.eye(bins)[place]  # (N, bins)
    gaps = np.abs((weights * (labels - p)) @ member).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(gaps / weights.sum(1))


def share(hits: npt.NDArray[np.bool_], weights: Array) -> Array:
    """Weighted share of True."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weights @ hits) / weights.sum(1))


def auc(scores: Array, labels: Labels) -> float:
    """Probability that a fake (1) scores above a real (0), ties counted half; nan when a class is missing."""
    return float(roc_auc(roc(scores, labels, np.ones((1, len(scores)))))[0]) if len(scores) else float("nan")


def bootstrap(
    statistic: Callable[[Array], Sequence[Array]], groups: Sequence[str], draws: int = DRAWS, seed: int = 0
) -> list[Figure]:
    """A Figure for each of the statistics, the intervals from drawing whole groups with replacement.

    `statistic` takes weights (B, N). What can't be computed is nan, draws for which it can't are left out.
    """
    values = statistic(np.ones((1, len(groups))))
    parts = [statistic(weights) for weights in _weights(groups, draws, seed)]
    figures = []
    for number, value in enumerate(values):
        drawn = np.concatenate([part[number] for part in parts])
        drawn = drawn[~np.isnan(drawn)]
        lo, hi = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
        figures.append(Figure(float(value[0]), float(lo), float(hi)))
    return figures


def _weights(groups: Sequence[str], draws: int, seed: int) -> Iterator[Array]:
    """How often each item is drawn, (B, N), B rows at a time."""
    rng = np.random.default_rng(seed)
    names, owner = np.unique(np.asarray(groups, np.str_), return_inverse=True)
    rows = max(1, CELLS // max(1, len(groups)))
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = rng.integers(len(names), size=(count, len(names))) + len(names) * np.arange(count)[:, None]
        times = np.bincount(drawn.ravel(), minlength=count * len(names)).reshape(count, len(names))
        yield times[:, owner].astype(np.float64)


def auc_figure(scores: Array, labels: Labels, groups: Sequence[str], draws: int = 500, seed: int = 0) -> Figure:
    """AUC with the interval from drawing whole groups with replacement."""
    return bootstrap(lambda weights: [roc_auc(roc(scores, labels, weights))], groups, draws, seed)[0]


def ranking(scores: Array, labels: Labels, groups: Sequence[str], draws: int = DRAWS) -> dict[str, Figure]:
    """AUC, AP, EER and TPR at 1 % and 5 % FPR."""

    def all_of(weights: Array) -> list[Array]:
        curve = roc(scores, labels, weights)
        found = [roc_auc(curve), average_precision(curve), equal_error_rate(curve)]
        return [*found, tpr_at(curve, 0.01), tpr_at(curve, 0.05)]

    names = ("auc", "ap", "eer", "tpr_at_1fpr", "tpr_at_5fpr")
    return dict(zip(names, bootstrap(all_of, groups, draws), strict=True))


def ece_figure(p: Array, labels: Labels, groups: Sequence[str], draws: int = DRAWS) -> Figure:
    """Expected calibration error of probabilities (N)."""
    return bootstrap(lambda weights: [calibration_error(p, labels, weights)], groups, draws)[0]


def share_figure(hits: npt.NDArray[np.bool_], groups: Sequence[str], draws: int = 500, seed: int = 0) -> Figure:
    """The share of True, with the interval from drawing whole groups with replacement."""
    figure = bootstrap(lambda weights: [share(hits, weights)], groups, draws, seed)[0]
    bound = 0.025 ** (1 / max(1, len(set(groups))))  # Clopper and Pearson's, where no draw can show any spread
    if not hits.any():
        return msgspec.structs.replace(figure, hi=1 - bound)
    return msgspec.structs.replace(figure, lo=bound) if hits.all() else figure


def shortcuts(image: Image) -> list[float]:
    """What a lazy detector could go by: blur, high-frequency energy, brightness and contrast of (H, W, 3) in BGR."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    laplacian = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    soft = cv2.GaussianBlur(grey, (0, 0), 2)
    high = float(np.abs(grey.astype(np.float32) - soft).mean())
    return [float(np.log1p(laplacian)), float(np.log1p(high)), float(grey.mean()) / 255, float(grey.std()) / 255]


def probe_scores(features: Array, labels: Labels, groups: Sequence[str], folds: int = 5) -> Array:
    """Scores of a linear model on features (N, F), each from a fit that did not see its group."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = np.zeros(len(labels))
    for fit, test in GroupKFold(min(folds, len(set(groups)))).split(features, labels, groups):
        if len(set(labels[fit])) < 2:
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        scores[test] = model.fit(features[fit], labels[fit]).predict_proba(features[test])[:, 1]
    return scores


def rate_figure(count: int, exposure: float) -> Figure:
    """Events per unit of `exposure` with the exact Poisson interval (Garwood, Biometrika 1936); exposure above 0."""
    lo = float(chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    hi = float(chi2.ppf(0.975, 2 * count + 2)) / 2
    return Figure(count / exposure, lo / exposure, hi / exposure)
