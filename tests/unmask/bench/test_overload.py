"""The short form: figures that can't be wrong however slow the machine is."""

from __future__ import annotations

import pytest
from rich.console import Console

from unmask.bench import overload
from unmask.bench.overload import Options, measure


def test_every_window_of_a_flood_is_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "WARM_S", 1.5)
    monkeypatch.setattr(overload, "CAPACITY_S", 2.0)
    found = measure(Options(factor=2.0, seconds=3.0, force=True), Console(quiet=True))
    outcomes = found["outcomes"]
    assert outcomes["made"] > 0
    assert outcomes["scored"] > 0
    assert found["unaccounted"] == 0
    assert 0 < found["age_p50_s"] <= found["age_p95_s"] <= found["age_max_s"] < 10
    assert found["redis_peak_mb"] < 1000
    assert found["others_p95_ms"] > 0
    assert found["crowd_ratio"] > 0
