"""The product as a user runs it, `unmask run`, and what its processes use."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import cast

import psutil
import redis

from unmask import embedded
from unmask.bench import processes
from unmask.runner import SERVICES
from wire import bus as wire_bus
from wire.errors import UnmaskError
from wire.heartbeat import alive
from wire.keys import FIELD, Keys
from wire.messages import CameraState, Score

STOP_S = 20.0
RUNNER = "runner"  # the supervisor itself
DROPPED = re.compile(r"(\d+) windows dropped")


@dataclass(frozen=True)
class Use:
    """Processor seconds so far and resident bytes, by role."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)


class Product:
    """A running `unmask run`. Whatever asks Redis raises redis.RedisError."""

    def __init__(self, process: subprocess.Popen[str], bus: redis.Redis, log: Path) -> None:
        self.process, self.bus, self.keys, self.log = process, bus, Keys(), log

    def roles(self) -> dict[str, list[psutil.Process]]:
        """Its processes: the supervisor, Valkey, the services; a service's own children belong to it."""
        found: dict[str, list[psutil.Process]] = {}
        stack = [(psutil.Process(self.process.pid), RUNNER)]
        while stack:
            one, inherited = stack.pop()
            try:
                name = role(one.cmdline(), inherited)
                stack += [(child, name) for child in one.children()]
            except psutil.Error:
                continue
            found.setdefault(name, []).append(one)
        return found

    def use(self, besides: Mapping[str, psutil.Process]) -> Use:
        """What they have used, and what `besides` has, by role."""
        use = Use()
        everyone = {**self.roles(), **{name: [one] for name, one in besides.items()}}
        for name, members in everyone.items():
            for one in members:
                try:
                    times, memory = one.cpu_times(), one.memory_info()
                except psutil.Error:
                    continue
                use.cpu_s[name] = use.cpu_s.get(name, 0.0) + times.user + times.system
                use.rss[name] = use.rss.get(name, 0) + memory.rss
        return use

    def cameras(self, names: Sequence[str]) -> list[CameraState]:
        """The states of those that are known."""
        raw: list[bytes | None] = self.bus.mget([self.keys.camera(name) for name in names])  # type: ignore[assignment]
        return [CameraState.decode(data) for data in raw if data is not None]

    def scores(self, since: str, until: str = "+") -> list[Score]:
        """The scores of a stretch of the stream."""
        rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", self.bus.xrange(self.keys.scores, since, until))
        return [Score.decode(fields[FIELD]) for _, fields in rows]

    def now(self) -> str:
        """The present as a stream id."""
        seconds, micros = self.bus.time()
        return f"{seconds * 1000 + micros // 1000}-0"

    def outcomes(self) -> Counter[str]:
        """Windows by what became of them since the start; `unsent`: dropped before they reached Redis."""
        raw: dict[bytes, bytes] = self.bus.hgetall(self.keys.outcomes)  # type: ignore[assignment]
        found = Counter({name.decode(): int(count) for name, count in raw.items()})
        details = [DROPPED.search(one.detail) for one in alive(self.bus, self.keys, "streamer")]
        found["unsent"] = sum(int(one[1]) for one in details if one)
        return found

    def said(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


def role(command: Sequence[str], inherited: str) -> str:
    """What a process of the product is, by its command line; a child that says nothing is what its parent is."""
    for service in SERVICES:
        if ("-m", service) in pairwise(command):
            return service
    return "valkey" if command and "valkey" in Path(command[0]).name else inherited


@contextmanager
def running(
    folder: Path, cameras: Mapping[str, str], settings: Mapping[str, object] | None = None
) -> Iterator[Product]:
    """`unmask run` on these cameras (name -> url) and sections of settings, state and log in `folder`.

    Raises ServiceError.
    """
    folder.mkdir()
    content = {
        "cameras": {name: {"url": url} for name, url in cameras.items()},
        "dashboard": {"port": 0},
        "state": str(folder / "state"),
        **(settings or {}),
    }
    config = processes.write_config(folder / "unmask.yaml", content)
    log = folder / "log"
    command = [sys.executable, "-m", "unmask", "run", "--config", str(config)]
    with (
        log.open("w") as out,
        processes.process(command, STOP_S, env=processes.environment(), stdout=out, stderr=out) as process,
    ):
        remedy = "look at what it printed above"
        try:
            processes.wait(lambda: embedded.address(folder / "state"), "unmask run", running=process, remedy=remedy)
            processes.wait(lambda: _answers(folder / "state"), "its Valkey", running=process, remedy=remedy)
        except UnmaskError:
            sys.stderr.write(log.read_text())
            raise
        with redis.Redis.from_url(str(embedded.address(folder / "state"))) as bus:
            yield Product(process, bus, log)


def _answers(state: Path) -> bool:
    url = embedded.address(state)
    try:
        if url:
            wire_bus.connect(url).close()
    except UnmaskError:
        return False
    return url is not None
