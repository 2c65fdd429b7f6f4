"""Two Valkey servers that three Sentinels watch, all of them real processes."""

from __future__ import annotations

import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import redis

from tests.support.servers import end, free_port, redis_server, valkey, wait_until


class Watched:
    """A primary, its replica, and three Sentinels that watch them; both data servers keep an append-only file.

    For use in a `with`, as everything that runs; `url` is what the settings make of `redis.sentinels`.
    """

    NAME = "unmaskPrimary"
    DOWN_AFTER_MS = 500  # a silence that long is taken for death; an operator would take ten times as much

    def __init__(self, folder: Path) -> None:
        self.ports = [free_port() for _ in range(2)]
        self.sentinels = [free_port() for _ in range(3)]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._folder, self._stack = folder, ExitStack()

    @property
    def addresses(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self.sentinels]

    @property
    def url(self) -> str:
        return f"redis://{self.NAME}/0?sentinels={','.join(self.addresses)}"

    def __enter__(self) -> Watched:
        for port in self.ports:
            self.start(port, replica_of=None if port == self.ports[0] else self.ports[0])
        for port in self.sentinels:
            self._start_sentinel(port)
        wait_until(
            lambda: all(map(self._sees_all, self.sentinels)), 40, "the Sentinels know each other and the replica"
        )
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():  # asked to end, a primary would wait for its replica
            process.kill()
        self._stack.close()

    def start(self, port: int, replica_of: int | None = None) -> None:
        """Start a data server, in the folder that it had before; one that was the primary is told by the Sentinels."""
        folder = self._folder / str(port)
        folder.mkdir(exist_ok=True)
        self.processes[port] = self._stack.enter_context(valkey(folder, port=port, aof=True))[1]
        with redis.Redis(port=port) as bus:
            bus.config_set("repl-diskless-sync-delay", 0)  # else 5 s, for more replicas that might come
            if replica_of:
                bus.replicaof("127.0.0.1", str(replica_of))
                wait_until(lambda: bus.info("replication")["master_link_status"] == "up", 30, "the replica is in step")

    def primary(self) -> int | None:
        """The port of the primary, where all Sentinels name the same."""
        named = set()
        for port in self.sentinels:
            with redis.Redis(port=port) as sentinel:
                named.add(int(sentinel.sentinel_get_master_addr_by_name(self.NAME)[1]))
        return named.pop() if len(named) == 1 else None

    def has_replaced(self, old: int) -> bool:
        """Whether all Sentinels name another primary, and see it. Right after they have named it they have yet to
        connect to it; on a busy machine that took them longer than a death, and they named the old one, back by then.
        """
        if self.primary() in (old, None):
            return False
        for port in self.sentinels:
            with redis.Redis(port=port) as sentinel:
                if sentinel.sentinel_master(self.NAME)["flags"] != "master":
                    return False
        return True

    def in_step(self) -> bool:
        """Whether the other data server follows the primary and has all that it has."""
        if (port := self.primary()) is None:
            return False
        with redis.Redis(port=port) as bus:
            told: dict[str, object] = bus.info("replication")
        replica = told.get("slave0")
        return isinstance(replica, dict) and replica["offset"] == told["master_repl_offset"]

    def kill(self, port: int) -> None:
        """kill -9."""
        self.processes[port].kill()
        self.processes[port].wait()

    def _start_sentinel(self, port: int) -> None:
        file = self._folder / f"sentinel-{port}.conf"
        file.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor {self.NAME} 127.0.0.1 {self.ports[0]} 2\n"
            f"sentinel down-after-milliseconds {self.NAME} {self.DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {self.NAME} 1000\n"
        )
        command = [redis_server(), str(file), "--sentinel"]
        self.processes[port] = process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._stack.callback(end, process)
        with redis.Redis(port=port) as bus:
            wait_until(lambda: _hurried(bus), 30, "a Sentinel answers")

    def _sees_all(self, port: int) -> bool:
        try:
            with redis.Redis(port=port) as sentinel:
                found = sentinel.sentinel_master(self.NAME)
        except redis.RedisError:
            return False
        return bool(found["num-other-sentinels"] == 2 and found["num-slaves"] == 1)


def _hurried(sentinel: redis.Redis) -> bool:
    """Have it look at everybody every 0.2 s, so that a test need not wait for the usual 10 s."""
    ask: Any = sentinel.execute_command
    try:
        return bool(ask("SENTINEL", "DEBUG", "info-period", "200", "publish-period", "200"))
    except redis.RedisError:
        return False
