"""The primary killed under load: three Sentinels name the replica, and everybody follows.

`make test-cluster` is the long form: the failovers of a longer course, and what asynchronous replication can lose.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from subprocess import Popen
from typing import Any

import pytest
import redis

from tests.faults.load import CAMERAS, FACES, PERIOD_S, Load
from tests.faults.report import Report, pick
from tests.faults.rig import Rig, until
from tests.faults.test_bus import FLOW_S, under_load
from tests.faults.verdict import accounted
from tests.support.sentinels import Watched
from tests.worker.making import tiny_checkpoint
from wire import bus as wire_bus

pytestmark = pytest.mark.timeout(pick(120, 400))
LAG_S = 2.0
RATE = len(CAMERAS) * FACES / PERIOD_S  # windows a second


class WatchedRig(Rig):
    """The services by `redis.sentinels`, with no proxy between."""

    def start_redis(self) -> None:
        self.watched = self._stack.enter_context(Watched(self.disk))
        self.bus = self._stack.enter_context(wire_bus.connect(self.through))

    def section(self) -> dict[str, Any]:
        return {"url": f"redis://{Watched.NAME}/0", "sentinels": self.watched.addresses}

    @property
    def through(self) -> str:
        return self.watched.url

    def fail_over(self) -> float:
        """Kill the primary and wait for the next; when it was killed. The old one comes back as its replica: only when
        all Sentinels know, or clients that ask the last one would write to a primary that is none any more."""
        old, killed = self.watched.primary(), time.time()
        assert old
        self.watched.kill(old)
        until(lambda: self.watched.has_replaced(old), "the Sentinels have named the replica", 30)
        self.watched.start(old)
        return killed


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, zygote: Popen[str]) -> Iterator[WatchedRig]:
    folder = tmp_path_factory.mktemp("watched")
    disk = tmp_path_factory.mktemp("disks")
    with ExitStack() as stack:
        one = WatchedRig(stack, folder, disk, tiny_checkpoint(folder / "tiny.safetensors"), zygote)
        yield one
        one.close()


def test_the_primary_killed_under_load(watched: WatchedRig, report: Report) -> None:
    """Nothing is lost or doubled: what a client was told, the replica had."""
    failovers = pick(1, 5)

    def kill(_load: Load) -> float:
        for number in range(failovers):
            if number:
                until(watched.watched.in_step, "the old primary is a replica in step", 30)
                watched.recovered(time.time())
            killed = watched.fail_over()
        return killed

    under_load(watched, kill, "primary killed", report, failovers=failovers)
    until(lambda: all(watched.parts().values()), "/readyz says that all is well", 30)


def fall_behind(watched: WatchedRig, **settings: int) -> None:
    """Part the replica from the primary, as a network would, and let it fall behind; the Sentinels see both."""
    port = watched.watched.primary()
    assert port
    with redis.Redis(port=port) as primary:
        for name, value in settings.items():
            primary.config_set(name.replace("_", "-"), value)
        primary.execute_command("ACL", "SETUSER", "default", "-psync", "-sync")
        primary.execute_command("CLIENT", "KILL", "TYPE", "replica")
        time.sleep(LAG_S)
        assert primary.info("replication")["connected_slaves"] == 0


@pytest.mark.long
def test_a_primary_that_wants_a_replica_loses_nothing(watched: WatchedRig, report: Report) -> None:
    """It refuses what it alone would have, so that the streamer drops and counts it."""

    def kill(_load: Load) -> float:
        until(watched.watched.in_step, "a replica in step", 30)
        fall_behind(watched, min_replicas_to_write=1, min_replicas_max_lag=1)
        return watched.fail_over()

    under_load(watched, kill, "primary killed before its replica, min-replicas-to-write 1", report, lag_s=LAG_S)


@pytest.mark.long
def test_what_the_replica_did_not_get_is_lost(watched: WatchedRig, report: Report) -> None:
    """And no more than that: the accounting of what is left closes, no window is scored twice, and all goes on.

    The last test: its subscriber was told of a gap, and of what it knew again.
    """
    until(watched.watched.in_step, "a replica in step", 30)
    with watched.load() as load:
        watched.recovered(time.time())
        fall_behind(watched)
        killed = watched.fail_over()
        recovery_s = watched.recovered(killed)
        time.sleep(FLOW_S)
    share, found = accounted(watched)
    assert share == 1.0, found
    windows = [score.window for score in watched.scores()]
    assert len(windows) == len(set(windows))
    lost = len(set(load.offered) - set(windows)) - load.dropped
    assert 0 < lost <= (LAG_S + 1) * RATE, lost
    until(lambda: "reset" in [gap.reason for gap in watched.subscriber.gaps()], "the subscriber is told of a gap", 30)
    told = Counter(one.alert.id for one in watched.subscriber.alerts() if one.event == "new")
    kept = {event.alert.id for event in watched.told().values()}
    report.add(
        name="primary killed before its replica", recovery_s=recovery_s, accounted=share, windows_lost=lost,
        lag_s=LAG_S, alerts_lost=len(told.keys() - kept), alerts_doubled=sum(told.values()) - len(told),
    )  # fmt: skip
