"""All services over three shards in a Cluster of three primaries with a replica each, of which some die or stop."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil
import pytest
import redis
from redis.crc import key_slot

from dashboard.api.cameras import PREVIEW_S
from dashboard.protocol import CameraMessage, CameraView, ScoreMessage
from dashboard.readers import SILENT_S
from streamer.publish import QUEUE
from tests.faults.load import Load
from tests.faults.report import Report, pick
from tests.faults.rig import READY_S, Rig, until
from tests.faults.test_bus import under_load
from tests.support import clips
from tests.support.cluster import Cluster
from tests.support.servers import MS, end, wait_until
from tests.worker.making import tiny_checkpoint
from wire import bus as wire_bus
from wire.keys import Keys
from wire.shards import prefixes, shard_of

pytestmark = pytest.mark.timeout(pick(120, 400))
PREFIX = "{unmask}:"
HOME, SLOTS = key_slot(PREFIX.encode()), [key_slot(prefix.encode()) for prefix in prefixes(PREFIX, 3)]
CAMERAS = ("a", "g", "b")  # in this order of the shards
STALE_S = 3.0  # dashboard.stale_after_s


class ClusterRig(Rig):
    """The services by `redis.cluster` and `redis.shards`, with no proxy between: a camera in each shard."""

    def start_redis(self) -> None:
        self.keys = Keys(PREFIX)
        self.cluster = self._stack.enter_context(Cluster(self.disk))
        self.bus = self.connect(self.through)
        assert len({self.cluster.owner(slot) for slot in SLOTS}) == 3

    def section(self) -> dict[str, Any]:
        first, *others = self.cluster.ports
        nodes = [f"127.0.0.1:{port}" for port in others]
        return {"url": f"redis://127.0.0.1:{first}/0", "prefix": PREFIX, "cluster": nodes, "shards": 3}

    @property
    def through(self) -> str:
        return str(self.settings.url)

    def load(self) -> Load:
        self._epoch += 1
        return Load(self.settings, self._epoch, cameras=CAMERAS)

    def _configure(self) -> Path:
        """Patient, so that no camera that goes on is stale for a busy machine."""
        file = super()._configure()
        settings = json.loads(file.read_text())
        settings["dashboard"]["stale_after_s"] = STALE_S
        file.write_text(json.dumps(settings))
        return file

    def scored(self, cameras: Collection[str], since: float) -> bool:
        """Whether the subscriber has a score of each, of a window made after that."""
        return self._came(since).keys() >= set(cameras)

    def recovered(self, since: float, timeout_s: float = 60.0) -> float:
        """As it is, of every shard."""
        until(lambda: self.scored(CAMERAS, since), "scores of each shard arrive again", timeout_s)
        return max(self._came(since).values()) - since

    def silence(self, primary: int, replica: int) -> None:
        """A node stops answering, and so does its replica: no connection breaks, and nobody takes over, then or when
        they wake: what a primary writes until it hears that it is none any more would be lost."""
        self.cluster.ask(replica, "CONFIG", "SET", "cluster-replica-no-failover", "yes")
        for port in (replica, primary):
            self.cluster.processes[port].send_signal(signal.SIGSTOP)

    def wake(self, primary: int, replica: int) -> None:
        """They go on."""
        for port in (primary, replica):
            self.cluster.processes[port].send_signal(signal.SIGCONT)

        def is_whole() -> bool:
            infos = [self.cluster.ask(port, "CLUSTER", "INFO") for port in self.cluster.ports]
            return all(b"cluster_slots_ok:16384" in info for info in infos)

        until(is_whole, "each node knows the others again", 30)
        assert primary in map(self.cluster.owner, SLOTS), "nobody took over"
        self.cluster.ask(replica, "CONFIG", "SET", "cluster-replica-no-failover", "no")

    def views(self, cameras: Collection[str], since: float) -> list[tuple[float, CameraView]]:
        """What the subscriber was told of these since then, and when."""
        events = [(came, one.camera) for came, one in list(self.subscriber.events) if isinstance(one, CameraMessage)]
        return [(came, view) for came, view in events if came > since and view.name in cameras]

    def told_stale(self, cameras: Collection[str], since: float) -> dict[str, float]:
        """When the subscriber was first told since then that it is, of each of these that is."""
        came: dict[str, float] = {}
        for at, view in self.views(cameras, since):
            if view.verdict == "stale":
                came.setdefault(view.name, at)
        return came

    def delays(self, cameras: Collection[str], since: float) -> list[float]:
        """From a window's enqueuing to its score at the subscriber, of windows made since then, ascending."""
        events = [(came, one.score) for came, one in list(self.subscriber.events) if isinstance(one, ScoreMessage)]
        return sorted(came - one.enqueued for came, one in events if one.camera in cameras and one.enqueued > since)

    def timed(self, path: str) -> float:
        """Seconds until the dashboard answers, whatever it answers."""
        began = time.monotonic()
        self._read(f"api/v1/{path}")
        return time.monotonic() - began

    def _came(self, since: float) -> dict[str, float]:
        """When the first score of a window made after that came, by camera."""
        came: dict[str, float] = {}
        for at, event in list(self.subscriber.events):
            if isinstance(event, ScoreMessage) and event.score.enqueued > since:
                came.setdefault(event.score.camera, at)
        return came


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory, zygote: Popen[str]) -> Iterator[ClusterRig]:
    folder = tmp_path_factory.mktemp("clustered")
    disk = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        one = ClusterRig(stack, folder, disk, tiny_checkpoint(folder / "tiny.safetensors"), zygote)
        yield one
        one.close()


def test_the_owner_of_slots_killed_under_load(clustered: ClusterRig, report: Report) -> None:
    """The home's node, and a shard's. Its replica takes over; nothing is lost or doubled, no slots are mixed up."""

    def kill(_load: Load) -> float:
        old, killed = clustered.cluster.owner(HOME), time.time()
        assert old in map(clustered.cluster.owner, SLOTS)
        clustered.cluster.kill(old)
        until(lambda: clustered.cluster.owner(HOME) != old, "the replica owns the slot", 30)
        clustered.cluster.start(old)  # as a replica: the others tell it
        return killed

    under_load(clustered, kill, "owner of the home and a shard killed", report)
    until(lambda: all(clustered.parts().values()), "/readyz says that all is well", 30)
    for port in {clustered.cluster.owner(slot) for slot in (HOME, *SLOTS)}:
        with redis.Redis(port=port) as node:
            refused = node.info("errorstats")
            slots = {key_slot(key) for key in node.keys("*")}
        assert not {name for name in refused if "CROSSSLOT" in name}, refused
        assert slots
        assert slots <= {HOME, *SLOTS}
    logs = "".join(file.read_text() for file in clustered.folder.glob("*.log"))
    assert "CROSSSLOT" not in logs


def test_a_slot_that_moves_is_followed(clustered: ClusterRig) -> None:
    """A connection to a node that no longer owns the slot breaks, and the next one leads to the owner."""
    cluster, old = clustered.cluster, clustered.cluster.owner(HOME)
    new = until(lambda: cluster.replica_of(old), "the owner has a replica", 20)
    assert isinstance(new, int)
    with wire_bus.connect(clustered.through) as client:
        assert client.exists(clustered.keys.alerts)
        cluster.ask(new, "CLUSTER", "FAILOVER")
        until(lambda: cluster.owner(HOME) == new, "the replica took over in peace", 30)
        until(lambda: client.exists(clustered.keys.alerts), "the client has followed", 30)
        assert client.info("server")["tcp_port"] == new
    until(lambda: clustered.made() and clustered.told(), "the test's own clients have followed, too", 30)


def test_shards_go_on_while_the_node_of_one_is_away(clustered: ClusterRig, report: Report) -> None:
    """A primary dies with its replica. The other shards go on, and after it is back nothing was lost or doubled.

    They go on because they are told to (`cluster-require-full-coverage no`).
    """
    cluster = clustered.cluster
    owners = [cluster.owner(slot) for slot in SLOTS]
    lost = next(n for n, owner in enumerate(owners) if owner != cluster.owner(HOME))
    replica = until(lambda: cluster.replica_of(owners[lost]), "it has a replica", 20)
    assert isinstance(replica, int)
    others = [name for name in CAMERAS if shard_of(name, 3) != lost]

    def kill(load: Load) -> float:
        for port in (owners[lost], replica):
            cluster.kill(port)
        alive = next(owner for n, owner in enumerate(owners) if n != lost)
        until(lambda: b"cluster_slots_fail:0" not in cluster.ask(alive, "CLUSTER", "INFO"), "slots count as lost")
        until(lambda: clustered.scored(others, time.time() - 0.5), "the others go on")
        until(lambda: load.dropped, "what is made for the lost one is dropped, and counted")
        for port in (owners[lost], replica):
            cluster.start(port)
        return time.time()

    under_load(clustered, kill, "node of a shard away with its replica", report)


REAL = tuple(next(name for n in count() if shard_of(name := f"cam{n}", 3) == shard) for shard in range(3))
LOST_S = SILENT_S + 2.0  # from the silence until "lost" is told, on a busy machine
QUIET_S = pick(6.0, 15.0)  # the long one is more than the sockets' patience
ENDS_S = 5.0  # each says under 3 s; a busy machine adds to that


@pytest.fixture(scope="module")
def streamer(clustered: ClusterRig) -> Iterator[Popen[bytes]]:
    """A streamer process with a camera in each shard, without faces: its windows are none of the load's."""
    clip = clips.write(clustered.folder / "plain.mp4", clips.plain(2))
    config = json.loads(clustered.config.read_text())
    config |= {"cameras": {name: {"url": str(clip), "loop": True} for name in REAL}}
    file = clustered.folder / "cameras.yaml"
    file.write_text(json.dumps(config | {"streamer": {"detector": "haar", "name": "real"}}))
    process = clustered.start("streamer", file)
    until(lambda: shown(clustered, REAL) == {"no-face"}, "its cameras are shown", READY_S)
    yield process
    end(process)


def shown(clustered: ClusterRig, cameras: Collection[str]) -> set[str]:
    """The verdicts that the dashboard has of these now."""
    views = (clustered.api("cameras") or {"cameras": []})["cameras"]
    return {view["verdict"] for view in views if view["name"] in cameras}


def node_of(clustered: ClusterRig, which: str) -> tuple[int, int, set[str], set[str]]:
    """A node, its replica, and which cameras lie on it and on others. `home`: the one that also has the home."""
    home, owners = clustered.cluster.owner(HOME), [clustered.cluster.owner(slot) for slot in SLOTS]
    node = home if which == "home" else next(owner for owner in owners if owner != home)
    replica = until(lambda: clustered.cluster.replica_of(node), "it has a replica", 20)
    assert isinstance(replica, int)
    there = {name for name in (*CAMERAS, *REAL) if owners[shard_of(name, 3)] == node}
    assert there
    return node, replica, there, {*CAMERAS, *REAL} - there


@pytest.mark.parametrize("which", pick(["home"], ["home", "shard"]))
def test_a_node_that_stops_answering(clustered: ClusterRig, report: Report, streamer: Popen[bytes], which: str) -> None:
    """No connection breaks. The other shards go on as if nothing was, what lies on the node is shown stale, and all is
    well again when it wakes."""
    node, replica, there, others = node_of(clustered, which)
    processes = [psutil.Process(pid) for pid in (streamer.pid, clustered.dashboard.pid, clustered.workers["0"])]
    found: dict[str, float] = {}

    def stop(load: Load) -> float:
        began = time.time()
        until(lambda: len(clustered.delays(others, began)) >= 20, "delays before")
        until(lambda: "stale" not in shown(clustered, there), "nothing is stale before", 10)
        before = clustered.delays(others, began)
        threads = [process.num_threads() for process in processes]
        memory = processes[0].memory_info().rss
        clustered.silence(node, replica)
        try:
            quiet = time.time()
            until(lambda: (clustered.api("cameras") or {}).get("bus") == "lost", "it is told", 30)
            lost = time.time() - quiet
            until(lambda: shown(clustered, there) == {"stale"}, "what lies there is shown stale", 30)
            until(lambda: clustered.told_stale(there, quiet).keys() == there, "and told", 10)
            until(lambda: time.time() - quiet > QUIET_S, "the silence lasts", QUIET_S + 10)
            assert max(clustered.timed(f"cameras/{name}/preview.jpg") for name in others) < PREVIEW_S
            old = next(iter(there))
            until(lambda: clustered.timed(f"cameras/{old}/preview.jpg") < PREVIEW_S / 2, "it is refused at once", 10)
            assert load.waiting <= QUEUE
            assert all(one.num_threads() <= then + 2 for one, then in zip(processes, threads, strict=True))
            assert processes[0].memory_info().rss - memory < 20e6
            assert shown(clustered, there) == {"stale"}
            told = [view for _, view in clustered.views(others, quiet)]
            assert not {(view.name, view.why) for view in told if view.verdict in ("stale", "offline")}
            meanwhile = clustered.delays(others, quiet)
            assert len(meanwhile) > QUIET_S * 8, "half of what was made, at least"
            found.update(
                told_lost_s=lost,
                told_stale_s=max(clustered.told_stale(there, quiet).values()) - quiet,
                delay_before_p95_s=before[len(before) * 95 // 100],
                delay_p95_s=meanwhile[len(meanwhile) * 95 // 100],
                delay_max_s=meanwhile[-1],
            )
        finally:
            over = time.time()
            clustered.wake(node, replica)
        return over

    under_load(clustered, stop, f"node of {'the home and a shard' if which == 'home' else 'a shard'} silent", report)
    report.faults[-1].update({name: round(value, 3) for name, value in found.items()}, silent_s=QUIET_S)
    assert found["told_lost_s"] < LOST_S
    assert found["told_stale_s"] < STALE_S + 2
    assert found["delay_p95_s"] < found["delay_before_p95_s"] + 1.0
    assert found["delay_max_s"] < SILENT_S, "nobody waited for the node"
    until(lambda: all(clustered.parts().values()), "/readyz says that all is well", 30)
    until(lambda: shown(clustered, REAL) == {"no-face"}, "the streamer's cameras are live again", 30)


def test_all_end_while_a_node_is_silent(clustered: ClusterRig, streamer: Popen[bytes]) -> None:
    """The last test: nothing runs after it."""
    node, replica, *_ = node_of(clustered, "home")
    worker = psutil.Process(clustered.workers["0"])
    with clustered.load():
        clustered.recovered(time.time())
        clustered.silence(node, replica)
        began, ended = time.monotonic(), dict[str, float]()
        try:
            for process in (streamer, clustered.dashboard, worker):
                process.terminate()
            gone = {
                "streamer": lambda: streamer.poll() is not None,
                "dashboard": lambda: clustered.dashboard.poll() is not None,
                "worker": lambda: not worker.is_running(),
            }

            def all_gone() -> bool:
                for name, is_gone in gone.items():
                    if name not in ended and is_gone():
                        ended[name] = time.monotonic() - began
                return ended.keys() == gone.keys()

            wait_until(all_gone, 20, f"all have ended, not only {ended}")
        finally:
            clustered.wake(node, replica)
    print(f"ended after SIGTERM: {ended}")
    assert max(ended.values()) < ENDS_S * MS * 1000
    assert (streamer.returncode, clustered.dashboard.returncode) == (0, 0)
