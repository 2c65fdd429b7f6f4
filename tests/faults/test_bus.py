"""Valkey and the network to it: killed, paused, out of memory, cut, slow, half closed, out of disk."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict

import pytest
import redis

from tests.faults.load import Load
from tests.faults.report import LONG, Report, pick
from tests.faults.rig import Rig, until
from tests.faults.verdict import accounted, expected, judge, judgeable
from tests.support.servers import missing

pytestmark = pytest.mark.timeout(pick(120, 400))
FLOW_S = pick(1.0, 2.0)  # of undisturbed load before a fault and after


def under_load(rig: Rig, fault: Callable[[Load], float], name: str, report: Report, **more: object) -> Load:
    """Inject `fault`, which returns when it was over, into a load that goes on; judge, and report."""
    before = rig.made()
    with judgeable(rig) as load:
        rig.recovered(time.time())
        time.sleep(FLOW_S)
        over = fault(load)
        recovery_s = rig.recovered(over)
        time.sleep(FLOW_S)
    found = judge(rig, load, before, ends=pick(False, True))
    report.add(name=name, recovery_s=recovery_s, **{**asdict(found), **more})  # type: ignore[arg-type]
    return load


def test_killed_and_started_again(rig: Rig, report: Report) -> None:
    def kill(_load: Load) -> float:
        rig.kill_valkey()
        until(lambda: rig.parts().get("redis") is False, "/readyz says that Redis is away", 30)
        assert rig.metrics()["unmask_redis_up"] == 0
        rig.start_valkey()
        over = time.time()
        until(lambda: all(rig.parts().values()), "/readyz says that all is well", 30)  # while the load shows life
        return over

    under_load(rig, kill, "valkey killed", report)


@pytest.mark.long
def test_paused_for_ten_seconds(rig: Rig, report: Report) -> None:
    pause_s = 10.0

    def pause(_load: Load) -> float:
        rig.valkey.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert rig.parts().get("redis") is False, "an answer within the dashboard's patience, and a true one"
        time.sleep(max(0.0, pause_s - (time.monotonic() - began)))
        rig.valkey.send_signal(signal.SIGCONT)
        return time.time()

    under_load(rig, pause, "valkey paused", report, pause_s=pause_s)


def test_out_of_memory(rig: Rig, report: Report) -> None:
    """Nothing may be written, and what is there may be read: nothing is evicted, and all goes on when there is room."""

    def fill(_load: Load) -> float:
        used = int(rig.bus.info("memory")["used_memory"])
        rig.bus.config_set("maxmemory-policy", "noeviction")
        rig.bus.config_set("maxmemory", max(1, used // 2))
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            rig.bus.set("probe", "x")
        if LONG:
            until(lambda: not rig.parts()["worker"], "without signs of life no worker counts as ready", 30)
        time.sleep(0.5)  # of refused windows and commits
        rig.bus.config_set("maxmemory", 0)
        return time.time()

    under_load(rig, fill, "valkey out of memory", report)


@pytest.mark.long
def test_disk_full_under_the_append_only_file(rig: Rig, report: Report) -> None:
    """Evidence, alerts and all else stand in Valkey, so its disk is the one there is."""
    if not os.path.ismount(rig.disk):
        missing("no file system of our own could be mounted, so no disk can be filled")
    junk = rig.disk / "junk"

    def fill(_load: Load) -> float:
        with junk.open("wb") as file, suppress(OSError):
            while file.write(bytes(1_000_000)):
                file.flush()
        until(lambda: "MISCONF" in refusal(rig), "Valkey refuses to write what it can't keep", 20)
        until(lambda: not rig.parts()["worker"], "without signs of life no worker counts as ready", 30)
        junk.unlink()
        return time.time()

    under_load(rig, fill, "disk full", report)
    rig.kill_valkey()
    kept = len(rig.subscriber.alerts())
    rig.start_valkey()
    assert len(rig.told()) == kept, "the file of a disk that was full holds every alert that was told"


@pytest.mark.long
def test_power_cut_that_costs_the_last_second(rig: Rig, report: Report) -> None:
    """What it leaves: a file that ends in the middle of a write of a second ago. The windows in it add up, the alerts
    in it are those of its scores, and all goes on from there."""
    with judgeable(rig) as load:
        rig.recovered(time.time())
        until(lambda: [m for m in rig.subscriber.alerts() if m.alert.track in load.tracks], "an alert is told")
        file = max((rig.disk / "appendonlydir").glob("*.incr.aof"), key=lambda file: file.stat().st_mtime_ns)
        written = file.stat().st_size
        time.sleep(1.0)
        rig.kill_valkey()
        lost = file.stat().st_size - written
        assert lost > 1000
        os.truncate(file, written + 7)
        rig.start_valkey()
        over = time.time()
        recovery_s = rig.recovered(over)
        time.sleep(FLOW_S)
    share, counts = accounted(rig)
    assert share == 1.0, counts
    scores = rig.scores()
    assert max(Counter(score.window for score in scores).values()) == 1
    told = [e.alert.id for e in rig.told().values() if e.event == "new" and e.alert.track in load.tracks]
    opened = expected(scores, load.tracks)
    assert sorted(told) == sorted(opened)
    report.add(
        name="power cut", recovery_s=recovery_s, accounted=share, alerts_lost=0, alerts_doubled=0, lost_bytes=lost
    )


def refusal(rig: Rig) -> str:
    try:
        rig.bus.set("probe", "x", px=1)
    except redis.ResponseError as error:
        return str(error)
    return ""


def cut_again_and_again(rig: Rig) -> None:
    for _ in range(pick(5, 50)):
        rig.proxy.cut()
        time.sleep(0.2)


def down_for_a_while(rig: Rig) -> None:
    rig.proxy.down()
    until(lambda: rig.parts().get("redis") is False, "/readyz says that Redis is away", 30)
    rig.proxy.up()


def half_closed_again_and_again(rig: Rig) -> None:
    for _ in range(pick(5, 50)):
        rig.proxy.half_close()
        time.sleep(0.2)


def slow(rig: Rig) -> None:
    rig.proxy.delay_s = 0.1
    time.sleep(pick(2, 20))
    rig.proxy.delay_s = 0.0


def packets_lost(rig: Rig) -> None:
    rig.proxy.stall()
    time.sleep(pick(2, 15))  # the long one is more than the sockets' patience
    rig.proxy.flow()


@pytest.mark.parametrize(
    "fault",
    [
        half_closed_again_and_again,
        *(
            pytest.param(one, marks=pytest.mark.long)
            for one in (cut_again_and_again, down_for_a_while, slow, packets_lost)
        ),
    ],
)
def test_the_network_to_it(rig: Rig, report: Report, fault: Callable[[Rig], None]) -> None:
    def inject(_load: Load) -> float:
        fault(rig)
        return time.time()

    under_load(rig, inject, f"network {fault.__name__}".replace("_", " "), report)
