"""The whole line on real input: an RTSP camera with digest auth, all services, a subscriber and a browser."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests.support.servers import RtspServer, end, free_port, unmask, wait_until
from unmask.demo import scene
from wire.keys import Keys
from wire.messages import Score

Start = Callable[[dict[str, Any]], "Line"]


@pytest.fixture(scope="session")
def swapped_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scene.render(tmp_path_factory.mktemp("clips") / "swapped.mp4", manipulated=True, seconds=8)


class Line:
    """`unmask run` as a process, with its log, on an outside Redis that the test can look into."""

    def __init__(self, folder: Path, redis_url: str, settings: dict[str, Any]) -> None:
        self.port = free_port()
        settings = settings | {"dashboard": {"port": self.port}, "state": str(folder / "state")}
        (folder / "unmask.yaml").write_text(yaml.safe_dump(settings))
        self.log = folder / "log"
        self.env = {**os.environ, "REDIS_URL": redis_url}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(unmask("run"), cwd=folder, env=self.env, stdout=log, stderr=log)
        self._folder = folder
        self._watchers: list[subprocess.Popen[str]] = []

    @property
    def page(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def watch(self, *options: str) -> list[dict[str, Any]]:
        """Start `unmask watch --json`; the list grows as events arrive."""
        command = unmask("watch", "--json", f"ws://127.0.0.1:{self.port}/ws/v1", *options)
        with (self._folder / "watch.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self._folder)
        self._watchers.append(process)
        events: list[dict[str, Any]] = []
        assert process.stdout is not None
        lines = process.stdout
        threading.Thread(target=lambda: events.extend(json.loads(line) for line in lines), daemon=True).start()
        return events

    def stop(self) -> None:
        """SIGTERM ends everything in peace, whoever is connected."""
        self.process.terminate()
        assert self.process.wait(60) == 0
        assert "Traceback" not in self.log.read_text()
        assert "killing" not in self.log.read_text()

    def close(self) -> None:
        for watcher in self._watchers:
            end(watcher)
            assert watcher.stdout is not None
            watcher.stdout.close()
        end(self.process, 15)


@pytest.fixture
def start(tmp_path: Path, redis_url: str) -> Iterator[Start]:
    lines: list[Line] = []

    def make(settings: dict[str, Any]) -> Line:
        lines.append(Line(tmp_path, redis_url, settings))
        return lines[-1]

    yield make
    for line in lines:
        line.close()


def everything(bus: redis.Redis) -> bytes:
    """All that stands in Redis, keys and values, as one haystack."""
    parts: list[bytes] = []
    for key in bus.scan_iter():
        parts += [key, bus.dump(key) or b""]
        if bus.type(key) == b"stream":
            parts += [value for _, fields in bus.xrange(key) for value in fields.values()]
        elif bus.type(key) == b"string":
            parts.append(bus.get(key) or b"")
    return b"\n".join(parts)


@pytest.mark.timeout(150)
def test_from_rtsp_cameras_over_tcp_and_udp_to_subscriber_and_page(
    start: Start,
    rtsp_server: Callable[..., RtspServer],
    swapped_clip: Path,
    bus: redis.Redis,
    keys: Keys,
    browser: Any,
) -> None:
    url = rtsp_server(swapped_clip, auth="digest").url(login="alice:s3cret")
    over = {"lobby": "tcp", "yard": "udp"}
    line = start({"cameras": {name: {"url": url, "transport": transport} for name, transport in over.items()}})
    events = line.watch("--topic", "scores", "--topic", "alerts", "--since", "0")
    page = browser.new_page()
    wait_until(lambda: _ready(line), 60, "all services are ready")
    page.goto(line.page)
    for camera in over:
        said = f"an alert of {camera} at the subscriber\n{line.log.read_text()}"
        alert = wait_until(lambda camera=camera: _first(events, "alert", camera), 60, said)  # type: ignore[misc]
        assert isinstance(alert, dict)
        assert alert["event"] == "new"
        said = f"a score of {camera} at the subscriber"
        score = wait_until(lambda camera=camera: _first(events, "score", camera), 30, said)  # type: ignore[misc]
        assert isinstance(score, dict)
        assert score["score"]["p_fake"] > 0
        page.get_by_text(camera).first.wait_for(timeout=30_000)
        page.locator(f"[data-alert='{alert['alert']['id']}']").first.wait_for(timeout=30_000)
    secret = "s3cret"
    assert secret not in page.content()
    assert secret not in line.log.read_text()
    assert secret.encode() not in everything(bus)
    assert bus.hget(keys.outcomes, "scored")
    line.stop()


def _ready(line: Line) -> bool:
    return "watching" in line.log.read_text()


def _first(events: list[dict[str, Any]], kind: str, camera: str) -> dict[str, Any] | None:
    return next((one for one in list(events) if one["type"] == kind and one[kind]["camera"] == camera), None)


@pytest.mark.timeout(150)
def test_kill_9_of_the_worker_in_the_running_line(
    start: Start, swapped_clip: Path, bus: redis.Redis, keys: Keys
) -> None:
    line = start({"cameras": {"lobby": {"url": str(swapped_clip), "loop": True}}})
    events = line.watch("--since", "0")
    for _ in range(2):
        before = bus.xlen(keys.scores)
        wait_until(lambda before=before: bus.xlen(keys.scores) > before + 2, 60, "windows are scored")  # type: ignore[misc]
        os.kill(_child(line, "worker"), signal.SIGKILL)
    before = bus.xlen(keys.scores)
    wait_until(lambda: bus.xlen(keys.scores) > before + 2, 60, "scoring goes on after the last kill")
    line.stop()
    ids = [Score.decode(fields[b"m"]).window for _, fields in bus.xrange(keys.scores)]
    assert len(ids) == len(set(ids)), "a window was scored twice"
    counts = {name.decode(): int(count) for name, count in bus.hgetall(keys.outcomes).items()}
    pending = bus.xlen(keys.windows)
    assert counts["made"] == sum(counts.get(name, 0) for name in ("scored", "stale", "dead", "trimmed")) + pending

    def news() -> list[str]:
        return [one["alert"]["id"] for one in list(events) if one["type"] == "alert" and one["event"] == "new"]

    wait_until(news, 20, "the watcher has printed an alert")
    assert len(news()) == len(set(news()))


def _child(line: Line, name: str) -> int:
    """The pid of the line's child process of that name."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
            arguments = (stat.parent / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == str(line.process.pid) and name.encode() in arguments:
            return int(stat.parent.name)
    raise AssertionError(f"no child process {name}")
