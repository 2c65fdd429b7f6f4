"""`unmask run` as a process: it waits for Redis, starts hung services again, and ends in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog

from tests.support import clips
from tests.support.servers import RtspServer, end, free_port, unmask, valkey, wait_until
from tests.worker.making import FRAMES, tiny_checkpoint, window
from unmask.supervisor import HUNG_S, Child, Supervisor
from wire import heartbeat
from wire.keys import FIELD, Keys
from wire.messages import CameraState, Score

HASTY = "import unmask.supervisor as s; s.HUNG_S = 4.0; from unmask.__main__ import main; main()"


class Run:
    """`unmask run` with a tiny checkpoint and one looping clip. `hasty`: hung after 4 s, not 10."""

    def __init__(self, folder: Path, checkpoint: Path, clip: Path, url: str | None, hasty: bool = False) -> None:
        self.port, self.log, self._folder = free_port(), folder / "log", folder
        settings = {
            "cameras": {"lobby": {"url": str(clip), "loop": True}},
            "dashboard": {"port": self.port},
            "window": {"frames": FRAMES},
            "streamer": {"detector": "haar"},
            "worker": {"checkpoint": str(checkpoint), "device": "torch-cpu", "threads": 1},
            "state": str(folder / "state"),
        }
        (folder / "unmask.yaml").write_text(json.dumps(settings))
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
        command = [sys.executable, "-c", HASTY, "run"] if hasty else unmask("run")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=folder, env=clean | ({"REDIS_URL": url} if url else {}), stdout=log, stderr=log
            )

    def said(self, words: str) -> int:
        """How many lines of the log hold these words."""
        return sum(words in line for line in self.log.read_text().splitlines())

    def wait_until_ready(self) -> None:
        """All services are ready."""
        wait_until(lambda: self.said("watching"), 60, f"all services are ready\n{self.log.read_text()}")

    def children(self) -> dict[str, int]:
        """The pid of each child, by the name of its service."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = stat.read_text().rpartition(")")[2].split()[1]
                arguments = (stat.parent / "cmdline").read_bytes().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == str(self.process.pid):
                name = arguments[2].decode() if arguments[1:2] == [b"-m"] else "valkey"
                found[name] = int(stat.parent.name)
        return found

    def services(self) -> dict[str, dict[str, Any]]:
        """What REST says of each role's service."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/system", timeout=10) as answer:
            return {one["role"]: one for one in json.load(answer)["services"]}

    def restarts(self) -> dict[str, int]:
        """How often each service that is ready was started again, as REST says."""
        try:
            return {role: one["restarts"] for role, one in self.services().items() if one["state"] == "ready"}
        except OSError:
            return {}


@pytest.fixture(scope="session")
def plain_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds without a face."""
    return clips.write(tmp_path_factory.mktemp("clips") / "plain.mp4", clips.plain(2))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors")


@pytest.fixture
def run(tmp_path: Path, tiny: Path, plain_clip: Path) -> Iterator[Callable[..., Run]]:
    made: list[Run] = []

    def make(url: str | None = None, **options: Any) -> Run:
        made.append(Run(tmp_path, tiny, plain_clip, url, **options))
        return made[-1]

    yield make
    for one in made:
        end(one.process, 30)


@pytest.mark.timeout(120)
def test_it_waits_for_redis_says_so_and_goes_on(run: Callable[..., Run], tmp_path: Path) -> None:
    port = free_port()
    one = run(f"redis://:hush@127.0.0.1:{port}/0")
    wait_until(lambda: one.said("waiting for Redis") >= 3, 60, "it waits and says so")
    assert "hush" not in one.log.read_text()
    assert one.process.poll() is None
    assert one.children() == {}
    with valkey(tmp_path, port=port) as (url, _), redis.Redis.from_url(url) as bus:
        bus.config_set("requirepass", "hush")
        one.wait_until_ready()
        assert one.said("waiting for Redis") < 20
        began = time.monotonic()
        one.process.terminate()
        assert one.process.wait(60) == 0
        assert time.monotonic() - began < 15


@pytest.mark.skipif(os.environ.get("UNMASK_FAULTS") != "long", reason="half a minute: make faults")
@pytest.mark.timeout(180)
def test_services_that_stand_still_are_started_again(run: Callable[..., Run]) -> None:
    one = run(hasty=True)
    one.wait_until_ready()
    before = one.children()
    assert before.keys() == {"valkey", "worker", "dashboard", "streamer"}
    for pid in before.values():
        os.kill(pid, signal.SIGSTOP)
    everyone = {"worker": 1, "dashboard": 1, "streamer": 1}
    wait_until(lambda: one.restarts() == everyone, 60, "all are ready again")
    assert not set(one.children().values()) & set(before.values())
    assert one.said("killing a service that hangs") == 4
    os.kill(one.children()["valkey"], signal.SIGKILL)
    wait_until(lambda: one.said("restarting a service") == 5, 60, "the server is started again")
    wait_until(lambda: one.restarts() == everyone, 60, "and the services go on as they are")
    began = time.monotonic()
    one.process.terminate()
    assert one.process.wait(60) == 0
    assert time.monotonic() - began < 15
    assert one.said("killing a service that does not stop") == 0


def wrapped(module: str, patch: str, trap: Path) -> list[str]:
    """A service of which a call into native code does not return while the file `trap` is there."""
    code = f"import sys, ctypes, pathlib; trap = pathlib.Path({str(trap)!r})\n{patch}"
    return [sys.executable, "-c", f"{code}\nfrom {module}.__main__ import main; sys.exit(main(sys.argv[1:]))"]


INFERENCE = """
import wire.watchdog, worker.service, worker.torch_cpu as backend
wire.watchdog.HUNG_S = worker.service.HUNG_S = 1.0
before = backend.TorchCpu.encode
def encode(self, images):
    if trap.exists():
        ctypes.CDLL(None).sleep(600)
    return before(self, images)
backend.TorchCpu.encode = encode
"""
ANALYSIS = """
import wire.watchdog, streamer.service, streamer.camera as camera
wire.watchdog.HUNG_S = streamer.service.HUNG_S = 1.0
before = camera.CameraRuntime._analyse
def analyse(self, *args):
    if trap.exists() and self.name == "bad":
        ctypes.LIBRARY(None).sleep(600)
    return before(self, *args)
camera.CameraRuntime._analyse = analyse
"""


@pytest.fixture
def supervise() -> Iterator[Callable[[Child], Child]]:
    """Looks after a child in a thread; what is silent for 2 s is killed."""
    running: list[tuple[Supervisor, threading.Thread]] = []

    def begin(child: Child) -> Child:
        supervisor = Supervisor(structlog.get_logger(), lambda name: True)
        supervisor.add(child)
        thread = threading.Thread(target=supervisor.watch)
        thread.start()
        running.append((supervisor, thread))
        return child

    yield begin
    for supervisor, thread in running:
        supervisor.stop()
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.timeout(120)
def test_a_worker_whose_network_hangs_is_started_again_and_loses_nothing(
    supervise: Callable[[Child], Child], tmp_path: Path, tiny: Path, redis_url: str, bus: redis.Redis, keys: Keys
) -> None:
    trap, file = tmp_path / "trap", tmp_path / "unmask.yaml"
    worker = {"checkpoint": str(tiny), "device": "torch-cpu", "threads": 1, "name": "w", "max_age_s": 600}
    file.write_text(json.dumps({"worker": worker, "window": {"frames": FRAMES}, "redis": {"url": redis_url}}))
    command = [*wrapped("worker", INFERENCE, trap), "--config", str(file)]
    child = supervise(Child("worker", command))

    def ready() -> bool:
        return any(one.state == "ready" for one in heartbeat.alive(bus, keys, "worker"))

    wait_until(ready, 60, "the worker is ready")
    trap.touch()
    for seq in range(6):
        bus.xadd(keys.windows, {FIELD: window(seq).encode()})
    began = time.monotonic()
    wait_until(lambda: child.restarts == 1, 60, "it has ended itself and is started again")
    assert time.monotonic() - began < HUNG_S, "by itself: the supervisor would have waited longer"
    trap.unlink()
    wait_until(lambda: bus.xlen(keys.scores) == 6, 60, "every window is scored")
    scored = [Score.decode(fields[FIELD]).seq for _, fields in bus.xrange(keys.scores)]
    assert sorted(scored) == list(range(6))
    [state] = heartbeat.alive(bus, keys, "worker")
    assert state.restarts == 1


@pytest.mark.timeout(90)
@pytest.mark.parametrize("library", ["CDLL", "PyDLL"])  # the second holds the interpreter: no thread runs any more
def test_one_hung_decoder_is_noticed_and_a_camera_that_is_away_is_none(
    library: str,
    supervise: Callable[[Child], Child],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    plain_clip: Path,
    redis_url: str,
    bus: redis.Redis,
    keys: Keys,
    rtsp_server: Callable[..., RtspServer],
) -> None:
    monkeypatch.setattr("unmask.supervisor.HUNG_S", 3.0)
    server = rtsp_server(plain_clip)
    server.freeze()
    trap, file = tmp_path / "trap", tmp_path / "unmask.yaml"
    good = {"url": str(plain_clip), "loop": True}
    cameras = {"good": good, "bad": good, "away": {"url": server.url()}}
    streamer = {"name": "s", "detector": "haar"}
    file.write_text(json.dumps({"cameras": cameras, "streamer": streamer, "redis": {"url": redis_url}}))
    command = [*wrapped("streamer", ANALYSIS.replace("LIBRARY", library), trap), "--config", str(file)]
    child = supervise(Child("streamer", command))

    def state(name: str) -> str:
        data: Any = bus.get(keys.camera(name))
        return "" if data is None else CameraState.decode(data).state

    def live(name: str) -> bool:
        return state(name) == "live"

    wait_until(lambda: live("good") and live("bad"), 60, "both cameras are live")
    time.sleep(3.5)  # longer than what counts as hung here, and the third camera has not answered yet
    assert child.restarts == 0
    trap.touch()
    wait_until(lambda: child.restarts == 1, 60, "it is started again")
    trap.unlink()
    bus.delete(keys.camera("good"), keys.camera("bad"))
    if library == "PyDLL":  # nobody could say whose it was
        wait_until(lambda: live("good") and live("bad"), 60, "both are live again")
        return
    wait_until(lambda: live("good"), 60, "the innocent one is live again")
    wait_until(lambda: state("bad") == "quarantined", 60, "the other is kept out, or it would hang again")
