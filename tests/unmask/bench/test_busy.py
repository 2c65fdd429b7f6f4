"""Who else used the machine: the arithmetic, and a real process that is ours or is not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from unmask.bench.busy import Counts, MachineBusy, Others, Watch, between


def counts(at: float, busy: float, ours: float, **others: tuple[str, float]) -> Counts:
    return Counts(at, busy, ours, {int(pid.removeprefix("p")): value for pid, value in others.items()})


def test_what_is_not_ours_is_theirs_named_by_what_they_used() -> None:
    before = counts(0.0, 100.0, 10.0, p1=("old", 50.0), p2=("idle", 3.0))
    after = counts(10.0, 116.0, 22.0, p1=("old", 51.0), p2=("idle", 3.0), p3=("new", 2.0), p4=("new", 1.0))
    others = between(before, after, processors=2)
    assert others.share == pytest.approx((16 - 12) / 20)
    assert others.names == ("new 15%", "old 5%")


def test_nothing_is_less_than_nothing() -> None:
    assert between(counts(0, 0, 0), counts(1, 1.0, 1.1), 2) == Others(0.0, ())


def test_a_busy_machine_gives_no_result_in_one_line() -> None:
    Others(0.05, ()).insist(force=False)
    Others(0.5, ()).insist(force=True)
    with pytest.raises(MachineBusy, match=r"^50% of the machine was used by others \(make 40%\): no result: .*--force"):
        Others(0.5, ("make 40%",)).insist(force=False)
    assert MachineBusy.exit_code == 1


def test_a_child_of_ours_is_ours_even_when_it_has_ended() -> None:
    before = Counts.now()
    subprocess.run([sys.executable, "-c", "sum(range(10_000_000))"], check=True)
    with subprocess.Popen([sys.executable, "-c", "sum(range(10_000_000)); input()"], stdin=subprocess.PIPE) as child:
        after = Counts.now()
        assert child.pid not in after.others
        child.communicate(b"\n")
    assert Counts.now().ours - before.ours > 0.2
    assert 0 <= Watch().others().share <= 1
