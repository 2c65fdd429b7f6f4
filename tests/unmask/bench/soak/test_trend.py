"""Whether something grows: found where it does, not where it does not, and never by luck. A real process leaks here."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from unmask.bench.soak import trend
from unmask.bench.soak.sampling import Series, sample

STEP_S = 5.0


def walk(minutes: float, per_hour: float, noise: float = 0.3, seed: int = 0) -> tuple[list[float], list[float]]:
    """Memory as it is: noise whose neighbours are alike, and growth."""
    chance = np.random.default_rng(seed)
    times = np.arange(0, minutes * 60, STEP_S)
    levels = np.zeros(len(times))
    for at in range(1, len(times)):
        levels[at] = 0.9 * levels[at - 1] + chance.normal(0, noise)
    return times.tolist(), (200 + levels + per_hour * times / 3600).tolist()


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_is_found_and_its_size_lies_in_the_interval(seed: int) -> None:
    found = trend.slope(*walk(60, 12.0, seed=seed))
    assert found
    assert trend.judge(found, 1.0) == "fails"
    assert found.low < found.per_hour < found.high


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """With the correction; without it an interval of such noise holds it in far fewer cases."""
    slopes = [trend.slope(*walk(60, 3.0, seed=seed)) for seed in range(200)]
    held = sum(1 for one in slopes if one and one.low <= 3.0 <= one.high)
    assert held >= 180, f"{held} of 200"


def test_what_is_flat_holds_once_the_run_is_long_enough() -> None:
    verdicts = [trend.judge(trend.slope(*walk(120, 0.0, noise=0.05, seed=seed)), 1.0) for seed in range(20)]
    assert verdicts == ["holds"] * 20
    assert trend.judge(trend.slope(*walk(60, 0.0, noise=3.0)), 1.0) == "undecided", "as noisy as that nothing is known"


def test_a_short_run_is_undecided_however_flat_it_is() -> None:
    times = [float(at) for at in range(600)]
    flat = trend.slope(times, [200.0] * 600)
    assert flat
    assert (flat.low, flat.per_hour, flat.high) == (0.0, 0.0, 0.0)
    assert trend.judge(flat, 1.0) == "undecided"
    assert trend.judge(None, 1.0) == "undecided"
    assert trend.slope([], []) is None
    assert trend.slope(times[:100], [200.0] * 100) is None, "too few stretches"
    assert trend.flat(times, [10.0] * 600, 3) == "undecided"


def test_a_short_lived_child_does_not_count() -> None:
    times, values = walk(60, 0.0, noise=0.01)
    for at in range(100, len(values), 60):
        values[at] += 500
    found = trend.slope(times, values)
    assert found
    assert abs(found.per_hour) < 0.5


def test_descriptors_that_are_left_open_are_found() -> None:
    times = [float(at) for at in range(0, 3600, 5)]
    fault = [10.0 + (at // 5 % 9 == 0) for at in times]
    assert trend.flat(times, fault, 3) == "holds"
    assert trend.flat(times, [value + at // 300 for value, at in zip(fault, times, strict=True)], 3) == "fails"


def test_the_worst_is_what_counts() -> None:
    assert trend.worst(["holds", "undecided", "fails"]) == "fails"
    assert trend.worst(["holds", "undecided"]) == "undecided"
    assert trend.worst(["holds", "holds"]) == "holds"


LEAK = """
import sys, time
kept = []
print(flush=True)
while True:
    if sys.argv[1] == "leak":
        kept.append(bytearray(b"x" * 100_000))
        kept.append(open("/dev/null"))
    time.sleep(0.1)
"""


@pytest.fixture
def two() -> Iterator[dict[str, list[psutil.Process]]]:
    """A process that leaks a megabyte and ten descriptors a second, and one that does not."""
    made = {
        what: subprocess.Popen([sys.executable, "-c", LEAK, what], stdout=subprocess.PIPE) for what in ("leak", "none")
    }
    for one in made.values():
        assert one.stdout is not None
        one.stdout.readline()  # the interpreter has started, and grows no more by itself
        one.stdout.close()
    yield {name: [psutil.Process(one.pid)] for name, one in made.items()}
    for one in made.values():
        one.kill()
        one.wait()


def test_a_process_that_leaks_is_found(two: dict[str, list[psutil.Process]]) -> None:
    series: dict[str, Series] = {}
    began = time.monotonic()
    while (now := time.monotonic() - began) < 4.2:
        sample(series, now, two)
        time.sleep(0.1)

    def verdicts(name: str) -> tuple[str, str]:
        one = series[name]
        growth = trend.slope(one.times, one.rss_mb, width_s=0.4)
        assert growth
        return trend.judge(growth, 100.0, least_s=3), trend.flat(one.times, one.fds, 3, least_s=3)

    assert verdicts("leak") == ("fails", "fails")
    assert verdicts("none") == ("holds", "holds")
    assert series["leak"].pids == {two["leak"][0].pid}
    cut = series["leak"].after(3.0)
    assert cut.times[0] >= 3.0
    assert len(cut.times) == len(cut.fds) < len(series["leak"].times)


def test_memory_is_that_of_all_processes_of_a_role_and_descriptors_are_the_first_ones(
    two: dict[str, list[psutil.Process]],
) -> None:
    series: dict[str, Series] = {}
    (quiet,), (other,) = two["none"], two["leak"]
    sample(series, 0.0, {"alone": [quiet], "both": [quiet, other]})
    alone, both = series["alone"], series["both"]
    assert both.rss_mb[0] > 1.5 * alone.rss_mb[0]
    assert (both.fds, both.threads) == (alone.fds, alone.threads)
