"""All services over three shards in a Cluster of three primaries with a replica each, whose nodes are killed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from subprocess import Popen
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from dashboard.protocol import ScoreMessage
from tests.faults.load import Load
from tests.faults.report import Report, pick
from tests.faults.rig import Rig, until
from tests.faults.test_bus import under_load
from tests.support.cluster import Cluster
from tests.worker.making import tiny_checkpoint
from wire import bus as wire_bus
from wire.keys import Keys
from wire.shards import prefixes, shard_of

pytestmark = pytest.mark.timeout(pick(120, 400))
PREFIX = "{unmask}:"
HOME, SLOTS = key_slot(PREFIX.encode()), [key_slot(prefix.encode()) for prefix in prefixes(PREFIX, 3)]
CAMERAS = ("a", "g", "b")  # in this order of the shards


class ClusterRig(Rig):
    """The services by `redis.cluster` and `redis.shards`, with no proxy between: a camera in each shard."""

    def start_redis(self) -> None:
        self.keys = Keys(PREFIX)
        self.cluster = self._stack.enter_context(Cluster(self.disk))
        for port in self.cluster.ports:
            self.cluster.ask(port, "CONFIG", "SET", "cluster-require-full-coverage", "no")
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

    def scored(self, cameras: Collection[str], since: float) -> bool:
        """Whether the subscriber has a score of each, of a window made after that."""
        return self._came(since).keys() >= set(cameras)

    def recovered(self, since: float, timeout_s: float = 60.0) -> float:
        """As it is, of every shard."""
        until(lambda: self.scored(CAMERAS, since), "scores of each shard arrive again", timeout_s)
        return max(self._came(since).values()) - since

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
