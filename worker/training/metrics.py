"""Ranking metrics with bootstrap intervals over groups, and the shortcut probe."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, rankdata

from worker.preprocess import Image

Array = npt.NDArray[np.float64]


class Figure(msgspec.Struct, frozen=True):
    """A measured value with its 95 % bootstrap interval."""

    value: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.lo:.3f}-{self.hi:.3f})"


def auc(scores: Array, labels: npt.NDArray[np.int64]) -> float:
    """Probability that a fake (1) scores above a real (0), ties counted half; nan when a class is missing."""
    fakes = int(labels.sum())
    reals = len(labels) - fakes
    if not fakes or not reals:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[labels == 1].sum() - fakes * (fakes + 1) / 2) / (fakes * reals))


def auc_figure(
    scores: Array, labels: npt.NDArray[np.int64], groups: list[str], draws: int = 500, seed: int = 0
) -> Figure:
    """AUC with the interval from drawing whole groups with replacement."""
    rng = np.random.default_rng(seed)
    names = sorted(set(groups))
    place = {name: i for i, name in enumerate(names)}
    owner = np.array([place[group] for group in groups])
    members = [np.flatnonzero(owner == i) for i in range(len(names))]
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])
        values.append(auc(scores[drawn], labels[drawn]))
    lo, hi = np.nanpercentile(values, [2.5, 97.5])
    return Figure(auc(scores, labels), float(lo), float(hi))


def share_figure(hits: npt.NDArray[np.bool_], groups: list[str], draws: int = 500, seed: int = 0) -> Figure:
    """The share of True, with the interval from drawing whole groups with replacement."""
    rng = np.random.default_rng(seed)
    names = sorted(set(groups))
    owner = np.array(groups)
    sums = np.array([[hits[owner == name].sum(), (owner == name).sum()] for name in names], float)
    drawn = sums[rng.integers(len(names), size=(draws, len(names)))].sum(1)
    lo, hi = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    bound = 0.025 ** (1 / len(names))  # Clopper and Pearson's, where no draw can show any spread
    if not hits.any():
        hi = 1 - bound
    elif hits.all():
        lo = bound
    return Figure(float(hits.mean()), float(lo), float(hi))


def shortcuts(image: Image) -> list[float]:
    """What a lazy detector could go by: blur, high-frequency energy, brightness and contrast of (H, W, 3) in BGR."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    laplacian = float(cv2.Laplacian(grey, cv2.CV_64F).var())
    soft = cv2.GaussianBlur(grey, (0, 0), 2)
    high = float(np.abs(grey.astype(np.float32) - soft).mean())
    return [float(np.log1p(laplacian)), float(np.log1p(high)), float(grey.mean()) / 255, float(grey.std()) / 255]


def probe_scores(features: Array, labels: npt.NDArray[np.int64], groups: list[str], folds: int = 5) -> Array:
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
