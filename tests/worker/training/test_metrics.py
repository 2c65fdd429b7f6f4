"""AUC, intervals, the probe."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.training.making import face
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


def test_a_rate_has_the_exact_poisson_interval() -> None:
    rate = rate_figure(10, 2.0)  # Garwood's table: 10 events, 4.795 to 18.390
    assert (rate.value, rate.lo, rate.hi) == (
        5.0,
        pytest.approx(4.795 / 2, abs=1e-3),
        pytest.approx(18.390 / 2, abs=1e-3),
    )
    assert rate_figure(0, 2.0).lo == 0
