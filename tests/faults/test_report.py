from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.report import Report


def test_each_fault_is_written_with_its_figures(tmp_path: Path) -> None:
    report = Report(tmp_path / "made" / "faults.json")
    report.add(name="cut", accounted=1.0, alerts_lost=0, alerts_doubled=0, recovery_s=0.12345, kills=3)
    report.add(name="slow", accounted=0.9999, alerts_lost=1, alerts_doubled=2, recovery_s=None)
    report.write()
    written = json.loads(report.path.read_text())["faults"]
    assert [fault["name"] for fault in written] == ["cut", "slow"]
    assert written[0]["recovery_s"] == 0.123
    assert written[0]["kills"] == 3
    assert "none needed" in report.lines()[1]


def test_what_is_nearly_all_is_not_rounded_to_all(tmp_path: Path) -> None:
    report = Report(tmp_path / "faults.json")
    report.add(name="cut", accounted=0.99999, alerts_lost=0, alerts_doubled=0, recovery_s=None)
    assert report.faults[0]["accounted"] < 1.0  # type: ignore[operator]


def test_a_name_is_given_once_and_an_empty_report_not_written(tmp_path: Path) -> None:
    report = Report(tmp_path / "faults.json")
    report.write()
    assert not report.path.exists()
    report.add(name="cut", accounted=1.0, alerts_lost=0, alerts_doubled=0, recovery_s=None)
    with pytest.raises(ValueError, match="two faults"):
        report.add(name="cut", accounted=1.0, alerts_lost=0, alerts_doubled=0, recovery_s=None)
