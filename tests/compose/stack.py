"""A Compose project of its own, as an operator would run it, with the demo's clips as cameras, and a subscriber."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

from tests.faults.rig import Subscriber
from tests.support.servers import free_port
from unmask.demo import play
from wire.messages import AlertEvent, Score

ROOT = Path(__file__).parents[2]
PROJECT = "unmask-check"
# Without cool-down and alerts of cameras, the alerts follow from the scores alone; no window grows stale while all
# workers are away.
ALERTS = {"enter": 0.5, "exit": 0.3, "cooldown_s": 0, "end_after_s": 3, "offline_after_s": None, "frozen_after_s": None}
WORKER = {"max_age_s": 600, "target_age_s": 600}
# Runs in the dashboard's container, the one way to Redis that is there anyway.
_DUMP = """
import base64, json, os
from wire import bus
from wire.keys import Keys
with bus.connect(os.environ["REDIS_URL"]) as client:
    print(json.dumps({name: [[id.decode(), base64.b64encode(fields[b"m"]).decode()]
                             for id, fields in client.xrange(getattr(Keys(), name))] for name in ("scores", "alerts")}))
"""


class Stack:
    """`compose` is the command in words, as ["docker", "compose"]; `engine` the one beneath; `how_many` as in .env."""

    def __init__(self, compose: Sequence[str], engine: str, folder: Path, cameras: int, **how_many: int) -> None:
        self._engine, self._port = engine, free_port()
        config, override = self._prepare(folder, cameras)
        self._command = [*compose, "-p", PROJECT, "-f", "docker-compose.yml", "-f", str(override), "--profile", "cpu"]
        self._environment = {name: str(count) for name, count in how_many.items()}
        self._environment |= os.environ | {"UNMASK_CONFIG": str(config), "UNMASK_PORT": str(self._port)}

    def _prepare(self, folder: Path, cameras: int) -> tuple[Path, Path]:
        clips = list(play.prepare(folder / "clips", Console(stderr=True)).values())
        for path in (folder, folder / "clips", *clips):
            path.chmod(0o755)  # the containers' user is another
        named = {f"cam-{n}": {"url": f"/clips/{clips[n % len(clips)].name}", "loop": True} for n in range(cameras)}
        config, override = folder / "unmask.yaml", folder / "compose.yml"
        limits = {"worker": WORKER, "streamer": {"queue_max_age_s": 600}}
        config.write_text(yaml.safe_dump({"cameras": named, "alerts": ALERTS, **limits}))
        mount = {"streamer": {"volumes": [f"{folder / 'clips'}:/clips:ro"]}}
        override.write_text(yaml.safe_dump({"services": mount}))
        return config, override

    def compose(self, *words: str) -> str:
        """Output of one command of Compose. Raises CalledProcessError with its last words printed."""
        return self._run([*self._command, *words])

    def containers(self, service: str) -> list[str]:
        """Ids of the service's containers that run."""
        labels = [
            f"label=com.docker.compose.{key}={value}" for key, value in (("project", PROJECT), ("service", service))
        ]
        return self._run([self._engine, "ps", "-q", "--filter", labels[0], "--filter", labels[1]]).split()

    def pid(self, container: str) -> int:
        """Of its first process, as the machine has it; 0 while there is none."""
        return int(self._run([self._engine, "inspect", "-f", "{{.State.Pid}}", container]))

    def kill(self, container: str) -> int:
        """kill -9 that process from outside, as the kernel does when memory ends; its pid. Compose is not told."""
        pid = self.pid(container)
        assert pid > 1, "a container that runs"
        os.kill(pid, signal.SIGKILL)
        return pid

    def healthy(self, service: str) -> bool:
        """Whether its health check succeeds in every one of its containers."""
        test = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]["healthcheck"]["test"][1:]
        found = self.containers(service)
        return bool(found) and all(
            subprocess.run([self._engine, "exec", one, *test], capture_output=True).returncode == 0 for one in found
        )

    def subscribe(self) -> Subscriber:
        """To every alert event since the beginning, and to scores."""
        return Subscriber(f"ws://127.0.0.1:{self._port}/ws/v1")

    def metrics(self) -> dict[str, float]:
        """The samples of /metrics by name and labels; empty while the dashboard does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=8) as answer:
                lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        except OSError:
            return {}
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def ready(self, **wanted: int) -> bool:
        """Whether as many services of each role say that they are ready."""
        found = self.metrics()
        return all(found.get(f'unmask_services_ready{{role="{role}"}}') == count for role, count in wanted.items())

    def streams(self) -> tuple[list[Score], dict[str, AlertEvent]]:
        """Scores, and alert events by cursor, as they stand in Redis."""
        told: dict[str, Any] = json.loads(self.compose("exec", "-T", "dashboard", "python", "-c", _DUMP))
        scores = [Score.decode(base64.b64decode(data)) for _, data in told["scores"]]
        return scores, {cursor: AlertEvent.decode(base64.b64decode(data)) for cursor, data in told["alerts"]}

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True)
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:])
        done.check_returncode()
        return done.stdout


def until(condition: Any, what: str, timeout_s: float = 120.0) -> float:
    """Seconds until it held. Raises TimeoutError with `what`."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise TimeoutError(f"{what}: not within {timeout_s:.0f} s")
        time.sleep(0.2)
    return time.monotonic() - began
