"""What a soak's facts amount to."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from unmask.bench.soak.failing import Fault, plan
from unmask.bench.soak.report import Facts, report
from unmask.bench.soak.sampling import Series


def series(per_hour: float = 0.0, fds: float = 0.0) -> Series:
    times = [float(at) for at in range(0, 3600, 5)]
    hours = [at / 3600 for at in times]
    memory = [100 + per_hour * at for at in hours]
    return Series(times, memory, memory, [9 + fds * at for at in hours], [4.0] * len(times), {7})


def facts(**changed: Any) -> Facts:
    told = Counter({"a new": 1, "a end": 1})
    good: dict[str, Any] = {
        "seconds": 3600.0, "warm_up_s": 600.0, "series": {"worker": series()}, "waiting": 1, "ages": [0.1, 0.2],
        "outcomes": {"made": 10, "scored": 6, "stale": 1, "trimmed": 1, "dead": 1}, "events": told, "received": told,
        "opened": {"bad": Counter(sustained=2, offline=1)}, "tracks": {"bad": 3, "good": 4}, "manipulated": ["bad"],
        "faults": [Fault(10, 55, 0, "killed")], "too_often": {}, "lines": {}, "names": ["bad", "good"],
    }  # fmt: skip
    return Facts(**{**good, **changed})


def test_all_is_well() -> None:
    found = report(facts())
    assert found["verdict"] == "holds"
    assert set(found["checks"].values()) == {"holds"}
    assert found["unaccounted"] == 0
    assert found["age_p50_s"] == 0.15
    assert found["roles"]["worker"]["rss_mb_h"]["per_hour"] == 0.0


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"series": {"worker": series(per_hour=2.0)}}, "memory"),
        ({"series": {"worker": series(), "dashboard": series(fds=20.0)}}, "descriptors"),
        ({"series": {"worker": Series(*[[1.0]] * 5, pids={1, 2})}}, "restarts"),
        ({"waiting": 0}, "accounting"),
        ({"outcomes": {}, "waiting": 0}, "accounting"),
        ({"too_often": {"streamer camera lost": 2}}, "log"),
        ({"lines": {"Traceback (most recent call last):": {"lines": 1}}}, "log"),
        ({"received": Counter({"a new": 1})}, "alerts"),
        ({"received": Counter({"a new": 2, "a end": 1})}, "alerts"),
        ({"opened": {"bad": Counter(offline=1)}}, "alerts"),
        ({"opened": {"bad": Counter(sustained=4, offline=1)}}, "alerts"),
        ({"opened": {"bad": Counter(sustained=1, offline=1), "good": Counter(sustained=1)}}, "alerts"),
        ({"opened": {"bad": Counter(sustained=1)}}, "alerts"),
        ({"opened": {"bad": Counter(sustained=1, offline=1), "good": Counter(frozen=1)}}, "alerts"),
    ],
)
def test_each_check_fails_for_its_own_reason(changed: dict[str, Any], check: str) -> None:
    found = report(facts(**changed))
    assert found["checks"][check] == "fails"
    assert found["verdict"] == "fails"


def test_too_short_is_undecided_and_not_good() -> None:
    found = report(facts(least_s=7200.0))
    assert (found["checks"]["memory"], found["verdict"]) == ("undecided", "undecided")


def test_the_plan_is_the_same_for_a_seed_and_one_camera_fails_at_a_time() -> None:
    first, again = plan(3, 4, 45.0), plan(3, 4, 45.0)
    faults = [next(first) for _ in range(200)]
    assert faults == [next(again) for _ in range(200)]
    assert faults[:5] != [fault for fault, _ in zip(plan(4, 4, 45.0), range(5), strict=False)]
    assert all(before.until < after.at for before, after in pairwise(faults))
    assert {fault.camera for fault in faults} == {0, 1, 2, 3}
    assert {fault.kind for fault in faults} == {"killed", "frozen"}
    lasted = [fault.until - fault.at for fault in faults]
    assert min(lasted) >= 3
    assert max(lasted) > 42
