"""Temperature and thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from worker.calibration import fit_temperature, probabilities, probability, threshold, thresholds, typical


def test_probability_never_overflows() -> None:
    assert probability(0.0, 1.0) == 0.5
    assert probability(-1e6, 1.0) == 0.0
    assert probability(1e6, 1.0) == 1.0
    assert probability(2.0, 2.0) == pytest.approx(0.7311, abs=1e-4)


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 8000)
    labels = (rng.random(8000) < 1 / (1 + np.exp(-true))).astype(np.int64)
    assert fit_temperature(true, labels) == pytest.approx(1.0, rel=0.15)
    assert fit_temperature(4 * true, labels) == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05, 0.5])
def test_threshold_keeps_its_rate(rate: float) -> None:
    real = np.random.default_rng(1).random(1000)
    found = threshold(real, rate)
    assert found.false_alarm == pytest.approx(float((real >= found.p).mean()))
    assert rate - 0.0015 <= found.false_alarm <= rate + 1e-9


def test_threshold_weighs_sources() -> None:
    """Ten windows of one source alarm often; they count no more than the thousand of the other."""
    real = np.concatenate([np.full(10, 0.9), np.linspace(0, 0.5, 1000)])
    weights = np.concatenate([np.full(10, 1 / 10), np.full(1000, 1 / 1000)])
    assert threshold(real, 0.05).p < 0.9
    assert threshold(real, 0.05, weights).p > 0.9


def test_fake_is_stricter_than_suspect() -> None:
    both = thresholds(np.random.default_rng(2).random(500), suspect=0.05, fake=0.01)
    assert both.suspect.p < both.fake.p
    assert both.suspect.false_alarm <= 0.05
    assert both.fake.false_alarm <= 0.01


def test_probabilities_of_many() -> None:
    assert probabilities(np.array([0.0, 3.0]), 3.0).tolist() == pytest.approx([0.5, 0.7311], abs=1e-4)


def test_typical_is_robust_and_weighs_sources() -> None:
    rng = np.random.default_rng(2)
    real = rng.normal(-1.0, 2.0, 20_001)
    found = typical(np.append(real, np.full(500, 1e6)))
    assert (found.median, found.spread) == (pytest.approx(-1.0, abs=0.1), pytest.approx(2.0, abs=0.1))
    two = np.append(np.zeros(1000), np.full(10, 5.0))
    assert typical(two).median == 0.0
    assert typical(two, np.append(np.full(1000, 1 / 1000), np.full(10, 1.2 / 10))).median == 5.0
