"""A Valkey Cluster of three primaries, each with a replica, all of them real processes."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from tests.support.servers import end, free_port, kill_redis, redis_server, wait_until

SLOTS = 16384


class Cluster:
    """For use in a `with`; a node that is silent for `TIMEOUT_MS` counts as dead, and the others go on without it."""

    TIMEOUT_MS = 1000

    def __init__(self, folder: Path) -> None:
        self.ports = [free_port() for _ in range(6)]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._bus_ports = {port: free_port() for port in self.ports}
        self._folder, self._stack = folder, ExitStack()

    def __enter__(self) -> Cluster:
        for port in self.ports:
            self.start(port)
        primaries, replicas = self.ports[:3], self.ports[3:]
        for at, port in enumerate(primaries):
            self.ask(port, "CLUSTER", "ADDSLOTSRANGE", SLOTS * at // 3, SLOTS * (at + 1) // 3 - 1)
        for port in self.ports[1:]:
            self.ask(self.ports[0], "CLUSTER", "MEET", "127.0.0.1", port, self._bus_ports[port])
        wait_until(lambda: all(b"cluster_known_nodes:6" in self._info(port) for port in self.ports), 40, "all have met")
        for primary, replica in zip(primaries, replicas, strict=True):
            self.ask(replica, "CLUSTER", "REPLICATE", self.ask(primary, "CLUSTER", "MYID"))
        wait_until(lambda: all(b"cluster_state:ok" in self._info(port) for port in self.ports), 40, "the Cluster is ok")
        wait_until(lambda: all(map(self.in_step, replicas)), 40, "the replicas are in step")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.kill()
        self._stack.close()

    def start(self, port: int) -> None:
        """Start a node with the folder of its own: with what it knew, if it was there before."""
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        command = [
            redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
            "--appendonly", "yes", "--repl-diskless-sync-delay", "0", "--cluster-enabled", "yes",
            "--cluster-port", str(self._bus_ports[port]), "--cluster-node-timeout", str(self.TIMEOUT_MS),
            "--cluster-require-full-coverage", "no",  # here, since what CONFIG SET says ends with the process
        ]  # fmt: skip
        self.processes[port] = process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._stack.callback(end, process)
        wait_until(lambda: self._answers(port), 30, "a node answers")

    def ask(self, port: int, *command: Any) -> Any:
        """The raw reply of one node."""
        with redis.Redis(port=port) as node:
            send: Any = node.execute_command
            return send(*command)

    def owner(self, slot: int) -> int:
        """The port of the slot's primary, by the first node that lives."""
        alive = next(port for port in self.ports if self.processes[port].poll() is None)
        rows = self.ask(alive, "CLUSTER", "SLOTS")
        return int(next(owner[1] for low, high, owner, *_ in rows if low <= slot <= high))

    def kill(self, port: int) -> None:
        """kill -9."""
        with redis.Redis(port=port) as node:
            kill_redis(self.processes[port], node)

    def replica_of(self, primary: int) -> int | None:
        """The port of a replica that is linked to this primary."""
        with redis.Redis(port=primary) as node:
            replica: Any = node.info("replication").get("slave0")
        return int(replica["port"]) if replica and replica["state"] == "online" else None

    def in_step(self, replica: int) -> bool:
        """Whether a replica is linked to its primary."""
        with redis.Redis(port=replica) as node:
            return bool(node.info("replication").get("master_link_status") == "up")

    def _info(self, port: int) -> bytes:
        return bytes(self.ask(port, "CLUSTER", "INFO"))

    def _answers(self, port: int) -> bool:
        try:
            return bool(self.ask(port, "PING"))
        except redis.RedisError:
            return False
