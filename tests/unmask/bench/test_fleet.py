"""The fleet in short: figures that can't be wrong however slow the machine is."""

from __future__ import annotations

import pytest
from rich.console import Console

from unmask.bench.fleet import measure
from unmask.bench.fleet_step import FIRST_RATE, Options
from unmask.bench.streamers import rate


def test_windows_go_the_whole_way_and_every_part_is_read() -> None:
    asked = Options(cameras=40, speed=2.0, seconds=0.4, subscribers=2, pages=0, force=True)
    found = measure(asked, Console(quiet=True))
    (step,) = found["steps"]
    assert step["unaccounted"] == 0
    assert step["shown"] == found["cameras"] == 40
    assert step["windows_per_s"] > 0
    assert 0 < step["p50_ms"] <= step["p95_ms"]
    assert all(step["cores"]["full"][part] > 0 for part in ("redis", "streamers", "worker", "cameras"))
    window = {name: found["costs"][name]["window"] for name in ("bytes_in", "bytes_out", "commands")}
    assert 50_000 < window["bytes_in"] < 500_000, "153 kB and what the commit adds; some are under way at either end"
    assert 50_000 < window["bytes_out"] < 500_000
    assert window["commands"] > 3
    assert found["first"].keys() == found["plan"].keys() == {"redis", "worker", "dashboard"}
    assert found["memory"]["features"] > 180 * 512


def test_speeds_rise_from_what_any_machine_bears() -> None:
    speeds = Options(cameras=5000).speeds
    assert speeds == sorted(speeds)
    assert rate(5000, speeds[0]) == pytest.approx(FIRST_RATE)
    assert Options(speed=0.5).speeds == [0.5]
