"""A Cluster of three primaries with a replica each: the owner of our slot killed under load, and a slot that moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from subprocess import Popen
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from tests.faults.load import Load
from tests.faults.report import Report, pick
from tests.faults.rig import Rig, until
from tests.faults.sharded import Shard
from tests.faults.test_bus import under_load
from tests.support.cluster import Cluster
from tests.worker.making import tiny_checkpoint
from wire import bus as wire_bus
from wire.keys import Keys
from wire.settings import RedisSettings
from wire.shards import prefixes, shard_of

pytestmark = pytest.mark.timeout(pick(120, 400))
PREFIX = "{unmask}:"
SLOT = key_slot(PREFIX.encode())


class ClusterRig(Rig):
    """The services by `redis.cluster`, with no proxy between."""

    def start_redis(self) -> None:
        self.keys = Keys(PREFIX)
        self.cluster = self._stack.enter_context(Cluster(self.disk))
        self.bus = self._stack.enter_context(wire_bus.connect(self.through))

    def section(self) -> dict[str, Any]:
        first, *others = self.cluster.ports
        nodes = [f"127.0.0.1:{port}" for port in others]
        return {"url": f"redis://127.0.0.1:{first}/0", "prefix": PREFIX, "cluster": nodes}

    @property
    def through(self) -> str:
        return str(RedisSettings(**self.section()).url)


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory, zygote: Popen[str]) -> Iterator[ClusterRig]:
    folder = tmp_path_factory.mktemp("clustered")
    disk = tmp_path_factory.mktemp("nodes")
    with ExitStack() as stack:
        one = ClusterRig(stack, folder, disk, tiny_checkpoint(folder / "tiny.safetensors"), zygote)
        yield one
        one.close()


def test_the_owner_of_our_slot_killed_under_load(clustered: ClusterRig, report: Report) -> None:
    """Its replica takes the slot; nothing is lost or doubled, and no command was refused for its keys' slots."""

    def kill(_load: Load) -> float:
        old, killed = clustered.cluster.owner(SLOT), time.time()
        clustered.cluster.kill(old)
        until(lambda: clustered.cluster.owner(SLOT) != old, "the replica owns the slot", 30)
        clustered.cluster.start(old)  # as a replica: the others tell it
        return killed

    under_load(clustered, kill, "owner of the slot killed", report)
    until(lambda: all(clustered.parts().values()), "/readyz says that all is well", 10)
    owner = clustered.cluster.owner(SLOT)
    with redis.Redis(port=owner) as node:
        refused = node.info("errorstats")
        keys = node.keys("*")
    assert not {name for name in refused if "CROSSSLOT" in name}, refused
    assert keys
    assert {key_slot(key) for key in keys} == {SLOT}
    logs = "".join(file.read_text() for file in clustered.folder.glob("*.log"))
    assert "CROSSSLOT" not in logs


def test_a_slot_that_moves_is_followed(clustered: ClusterRig) -> None:
    """A connection to a node that no longer owns the slot breaks, and the next one leads to the owner."""
    cluster, old = clustered.cluster, clustered.cluster.owner(SLOT)
    new = until(lambda: cluster.replica_of(old), "the owner has a replica", 20)
    assert isinstance(new, int)
    with wire_bus.connect(clustered.through) as client:
        assert client.exists(clustered.keys.scores)
        cluster.ask(new, "CLUSTER", "FAILOVER")
        until(lambda: cluster.owner(SLOT) == new, "the replica took over in peace", 10)
        until(lambda: client.exists(clustered.keys.scores), "the client has followed", 10)
        assert client.info("server")["tcp_port"] == new


def test_shards_go_on_while_the_node_of_one_is_away(clustered: ClusterRig) -> None:
    """Three key spaces on three nodes, the product's publisher, queue and commit on each; no line knows of shards.

    A primary dies with its replica. The others go on because they are told to (`cluster-require-full-coverage no`).
    """
    cluster, each = clustered.cluster, prefixes(PREFIX, 3)
    owners = [cluster.owner(key_slot(prefix.encode())) for prefix in each]
    assert len(set(owners)) == 3
    lost = next(n for n, owner in enumerate(owners) if owner != cluster.owner(SLOT))  # the rig's services live on
    replica = until(lambda: cluster.replica_of(owners[lost]), "it has a replica", 20)
    assert isinstance(replica, int)
    dead = [owners[lost], replica]
    for port in cluster.ports:
        cluster.ask(port, "CONFIG", "SET", "cluster-require-full-coverage", "no")
    with ExitStack() as clients:
        shards = []
        for n, prefix in enumerate(each):
            camera = next(f"camera-{at}" for at in range(100) if shard_of(f"camera-{at}", 3) == n)
            url = str(RedisSettings(**{**clustered.section(), "prefix": prefix}).url)
            shards.append(Shard(clients.enter_context(wire_bus.connect(url)), Keys(prefix), camera))
        with ExitStack() as running:
            for shard in shards:
                shard.start()
                running.callback(shard.stop)
            until(lambda: all(shard.opened for shard in shards), "each has an alert")
            told = [shard.opened for shard in shards]
            for port in dead:
                cluster.kill(port)
            alive = next(owner for owner in owners if owner not in dead)
            until(lambda: b"cluster_slots_fail:0" not in cluster.ask(alive, "CLUSTER", "INFO"), "slots count as lost")
            stood = shards[lost].settled
            grown([shard for shard in shards if shard is not shards[lost]], "the others go on")
            assert shards[lost].settled == stood
            for port in dead:
                cluster.start(port)
            grown(shards, "all settle windows again")
        assert [shard.accounted for shard in shards] == [1.0] * 3
        assert not [shard.refused for shard in shards if "CROSSSLOT" in shard.refused]
        for shard, before in zip(shards, told, strict=True):
            assert set(before) <= set(shard.opened), "no alert is lost"
            assert len(shard.opened) == len(set(shard.opened)), "none was told twice"


def grown(shards: list[Shard], what: str) -> None:
    """Wait until each has settled ten more windows."""
    before = [shard.settled for shard in shards]
    until(lambda: all(shard.settled >= old + 10 for shard, old in zip(shards, before, strict=True)), what, 30)
