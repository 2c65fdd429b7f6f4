"""Ranking and calibration against scikit-learn and by hand, intervals, the probe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from tests.worker.training.making import face
from worker.training import metrics
from worker.training.blend import coarsen
from worker.training.metrics import Figure, auc, auc_figure, probe_scores, rate_figure, share_figure, shortcuts


def test_auc_by_hand() -> None:
    labels = np.array([0, 0, 1, 1])
    assert auc(np.array([0.1, 0.4, 0.35, 0.8]), labels) == 0.75
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), labels) == 0.5
    assert auc(np.array([0.0, 0.1, 0.2, 0.3]), labels) == 1.0
    assert np.isnan(auc(np.array([0.1, 0.2]), np.array([1, 1])))


def test_interval_holds_the_value_and_narrows_with_data() -> None:
    def figure(count: int) -> Figure:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, count)
        return auc_figure(rng.normal(0, 1, count) + labels, labels, [str(i) for i in range(count)], draws=200)

    small, large = figure(60), figure(1500)
    assert small.lo < small.value < small.hi
    assert large.hi - large.lo < 0.5 * (small.hi - small.lo)


def test_interval_is_by_group() -> None:
    """Copies of the same item are no new evidence."""
    rng = np.random.default_rng(1)
    labels, scores = np.tile([0, 1], 20), rng.normal(0, 1, 40)
    groups = [str(i) for i in range(40)]
    once = auc_figure(scores, labels, groups, draws=200)
    often = auc_figure(np.tile(scores, 10), np.tile(labels, 10), groups * 10, draws=200)
    assert often.hi - often.lo == pytest.approx(once.hi - once.lo, abs=0.05)


def test_share_figure() -> None:
    figure = share_figure(np.array([True, False, False, False]), ["a", "b", "c", "d"])
    assert figure.value == 0.25
    assert figure.lo == 0.0
    assert figure.hi > 0.25
    assert str(figure).startswith("0.250 (0.000-")


def test_no_hit_is_no_proof_of_none() -> None:
    """None in twenty clips still leaves up to 17 % possible."""
    figure = share_figure(np.zeros(40, np.bool_), [str(i // 2) for i in range(40)])
    assert (figure.value, figure.lo) == (0.0, 0.0)
    assert figure.hi == pytest.approx(0.168, abs=0.001)
    assert share_figure(np.ones(4, np.bool_), list("abcd")).lo == pytest.approx(0.398, abs=0.001)


def test_shortcuts_see_blur() -> None:
    sharp, soft = shortcuts(face(0)), shortcuts(coarsen(face(0), 0.3))
    assert soft[0] < sharp[0]
    assert soft[1] < sharp[1]


def test_probe_finds_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    groups = [str(i // 2) for i in range(200)]
    telling = np.stack([labels + rng.normal(0, 0.5, 200), rng.normal(0, 1, 200)], 1)
    assert auc(probe_scores(telling, labels, groups), labels) > 0.85
    assert auc(probe_scores(rng.normal(0, 1, (200, 2)), labels, groups), labels) == pytest.approx(0.5, abs=0.12)


SAMPLES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=40).filter(
    lambda rows: all(any(w and label == wanted for _, label, w in rows) for wanted in (0, 1))
)


@settings(deadline=None)
@given(SAMPLES)
def test_weighted_metrics_are_scikit_learns(rows: list[tuple[int, int, int]]) -> None:
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    curve = metrics.roc(scores.astype(float), labels, weights[None].astype(float))
    assert metrics.roc_auc(curve)[0] == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))
    expected = average_precision_score(labels, scores, sample_weight=weights)
    assert metrics.average_precision(curve)[0] == pytest.approx(expected)
    fpr, tpr, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    for limit in (0.01, 0.05, 0.5):
        assert metrics.tpr_at(curve, limit)[0] == pytest.approx(tpr[fpr <= limit + 1e-12].max())


@settings(deadline=None)
@given(SAMPLES)
def test_the_equal_error_rate_lies_on_the_curve(rows: list[tuple[int, int, int]]) -> None:
    """Independently: bisect the piecewise linear ROC for the point where false positives are the fakes missed."""
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    curve = metrics.roc(scores.astype(float), labels, weights[None].astype(float))
    found = float(metrics.equal_error_rate(curve)[0])
    along = np.linspace(0, 1, len(curve.fakes[0]))
    fpr, tpr = (row[0] for row in metrics.rates(curve))
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        excess = np.interp(middle, along, fpr) - 1 + np.interp(middle, along, tpr)
        low, high = (low, middle) if excess >= 0 else (middle, high)
    assert found == pytest.approx(float(np.interp(high, along, fpr)), abs=1e-9)
    assert 0 <= found <= 1


@settings(deadline=None)
@given(SAMPLES)
def test_a_weight_is_that_many_copies(rows: list[tuple[int, int, int]]) -> None:
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    p = scores / 8
    copied = [np.repeat(column, weights) for column in (p, labels)]
    ones = np.ones((1, int(weights.sum())))
    for statistic in (metrics.roc_auc, metrics.average_precision, metrics.equal_error_rate):
        once = statistic(metrics.roc(p, labels, weights[None].astype(float)))
        assert once == pytest.approx(statistic(metrics.roc(*copied, ones)))
    assert metrics.calibration_error(p, labels, weights[None].astype(float)) == pytest.approx(
        metrics.calibration_error(*copied, ones)
    )


def test_figures_by_hand() -> None:
    scores, labels = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.2]), np.array([1, 0, 1, 1, 0, 0])
    curve = metrics.roc(scores, labels, np.ones((1, 6)))
    assert metrics.roc_auc(curve)[0] == pytest.approx(7 / 9)
    assert metrics.average_precision(curve)[0] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert metrics.equal_error_rate(curve)[0] == pytest.approx(1 / 3)
    assert metrics.tpr_at(curve, 0.01)[0] == pytest.approx(1 / 3)
    assert metrics.tpr_at(curve, 0.34)[0] == 1.0


def test_calibration_error_by_hand() -> None:
    """Two bins: 0.2 said of four that are fake once, 0.9 of two that both are."""
    p, labels = np.array([0.2, 0.2, 0.2, 0.2, 0.9, 0.9]), np.array([0, 0, 0, 1, 1, 1])
    error = metrics.calibration_error(p, labels, np.ones((1, 6)))[0]
    assert error == pytest.approx((4 * 0.05 + 2 * 0.1) / 6)
    assert metrics.calibration_error(np.array([1.0, 0.0]), np.array([1, 0]), np.ones((1, 2)))[0] == 0.0


def test_what_cannot_be_computed_is_nan() -> None:
    one_class = metrics.ranking(np.array([0.1, 0.9]), np.array([1, 1]), ["a", "b"], draws=20)
    assert all(np.isnan([figure.value, figure.lo, figure.hi]).all() for figure in one_class.values())


def test_the_bootstrap_draws_groups_as_a_loop_would() -> None:
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(0, 1, 60), rng.integers(0, 2, 60)
    groups = [f"g{i // 3}" for i in range(60)]
    names = sorted(set(groups))
    draws, values = np.random.default_rng(0), []
    for _ in range(100):
        drawn = [names[i] for i in draws.integers(len(names), size=len(names))]
        items = [i for name in drawn for i in range(60) if groups[i] == name]
        values.append(auc(scores[items], labels[items]))
    figure = auc_figure(scores, labels, groups, draws=100)
    assert (figure.lo, figure.hi) == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))


def test_the_bootstrap_is_the_same_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    scores, labels, groups = rng.normal(0, 1, 60), rng.integers(0, 2, 60), [str(i) for i in range(60)]
    whole = auc_figure(scores, labels, groups, draws=50)
    monkeypatch.setattr(metrics, "CELLS", 60 * 7)
    assert auc_figure(scores, labels, groups, draws=50) == whole


def test_all_ranking_figures_have_intervals_around_them() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    found = metrics.ranking(rng.normal(0, 1, 300) + labels, labels, [str(i) for i in range(300)], draws=300)
    assert list(found) == ["auc", "ap", "eer", "tpr_at_1fpr", "tpr_at_5fpr"]
    assert all(0 <= f.lo <= f.value <= f.hi <= 1 for f in found.values())
    assert metrics.ece_figure(np.full(300, 0.5), labels, [str(i) for i in range(300)]).value < 0.1


def test_a_rate_has_the_exact_poisson_interval() -> None:
    rate = rate_figure(10, 2.0)  # Garwood's table: 10 events, 4.795 to 18.390
    assert (rate.value, rate.lo, rate.hi) == (
        5.0,
        pytest.approx(4.795 / 2, abs=1e-3),
        pytest.approx(18.390 / 2, abs=1e-3),
    )
    assert rate_figure(0, 2.0).lo == 0
