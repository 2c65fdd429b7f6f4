"""A whole live evaluation: the JSON, the table, the report folder, and one line for what is wrong."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import pytest

from tests.unmask.test_cli import assert_one_line, refused
from unmask import live
from wire.errors import UsageError
from wire.settings import Settings

pytestmark = pytest.mark.timeout(300)  # some ten seconds of work, which a busy machine stretches
CONDITIONS = ("240p/250k/8", "240p/250k/8/loss5")


@pytest.fixture(scope="module")
def made(clips: Path, settings: Settings) -> tuple[dict[str, Any], Path]:
    report, out = clips / "report", io.StringIO()
    with contextlib.redirect_stdout(out):
        code = live.run(
            settings, clips / "manifest.tsv", "dev", as_json=True, report=report, conditions=CONDITIONS, minutes=1
        )
    assert code == 0
    found: dict[str, Any] = json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(name))
    return found, report


def test_the_figures(made: tuple[dict[str, Any], Path]) -> None:
    found, _ = made
    assert [one["condition"] for one in found["conditions"]] == list(CONDITIONS)
    clean, lossy = found["conditions"]
    assert clean["detected"]["value"] == 1
    assert 4 < clean["time_to_alert_s"]["median"] < 15
    assert clean["false_alerts_per_camera_hour"]["count"] == 0
    assert clean["false_alerts_per_camera_hour"]["hi"] > 50  # from less than a minute
    assert 0.5 < clean["coverage"] < 1
    assert clean["sent"]["lost"] == 0 < lossy["sent"]["lost"]
    assert lossy["windows"] < clean["windows"]
    assert clean["sent"]["kbit_s"] < 275
    for one in (clean, lossy):
        assert len(one["fakes"]) == one["detected"]["fakes"] >= 1
        assert any(point["enter"] == found["thresholds"]["enter"] for point in one["curve"])
        rates = [point["false_alerts"] for point in one["curve"]]
        assert rates[0] > rates[-1] == 0  # thresholds ascend


def test_the_schedule_is_reported(made: tuple[dict[str, Any], Path]) -> None:
    found, _ = made
    shown = {(visit["clip"].rsplit("/")[-1], visit["fake"]) for one in found["schedule"] for visit in one["visits"]}
    assert shown == {("real.mp4", False), ("fake.mp4", True)}


def test_the_report(made: tuple[dict[str, Any], Path]) -> None:
    found, folder = made
    assert json.loads((folder / "live.json").read_text()) == found
    page = (folder / "index.html").read_text()
    for name in ("trade.png", "delay.png"):
        picture = cv2.imread(str(folder / name))
        assert picture is not None
        assert picture.std() > 5  # something is drawn
        assert f'src="{name}"' in page
    assert all(one["condition"] in page for one in found["conditions"])


def test_a_manifest_that_is_none(clips: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.tsv"):
        live.run(Settings(), clips / "absent.tsv", "dev")
    with pytest.raises(UsageError, match="splits there: dev"):
        live.run(Settings(), clips / "manifest.tsv", "exam")
    with pytest.raises(UsageError, match="manifest"):
        live.run(Settings(), clips / "real.mp4", "dev")
    (clips / "other.tsv").write_text("name\tkind\nreal.mp4\treal\n")
    with pytest.raises(UsageError, match="manifest"):
        live.run(Settings(), clips / "other.tsv", "dev")


def test_a_condition_that_is_none_is_one_line(clips: Path) -> None:
    result = refused("evaluate", "--live", "--data", "manifest.tsv", "--condition", "best", cwd=clips)
    assert_one_line(result, 2, "best", "720p/1000k/25")
