"""kill -9 at the worst moments, real processes: each window scored exactly once, alerts neither lost nor doubled."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from tests.support.servers import MS, end, wait_until
from tests.worker.making import FRAMES, PATIENT, window
from tests.worker.test_service import Seen
from tests.worker.zygote import alive
from wire.keys import FIELD, GROUP, Keys
from wire.messages import AlertEvent, Score

Spawn = Callable[..., "subprocess.Popen[bytes]"]
READY_S = 60  # importing torch on a busy machine
KILLS = 12
BACKLOG = 900  # windows: far more than a worker scores between its first score and its end
CAMERAS = ("a", "b")
TRIES = 5
ENDS_S = 5  # under 3 s, and what a busy machine adds


@pytest.fixture
def configure(tiny: Path, redis_url: str, tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration file."""

    def write(**changed: Any) -> Path:
        worker = {"checkpoint": str(tiny), "device": "torch-cpu", "threads": 1, "batch": 4, **PATIENT, **changed}
        data = {"redis": {"url": redis_url}, "worker": worker, "window": {"frames": FRAMES}}
        data |= {"alerts": {"end_after_s": 2}, "telemetry": {"log_level": "warning"}}
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml"
        file.write_text(json.dumps(data))
        return file

    return write


@pytest.fixture
def spawn(configure: Callable[..., Path]) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts `python -m worker` processes as they ship, all in the same slot; they are stopped at the end."""
    made: list[subprocess.Popen[bytes]] = []

    def begin(**changed: Any) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "worker", "--config", str(configure(device="cpu", **changed))]
        made.append(subprocess.Popen(command, env={**os.environ, "UNMASK_SLOT": "0"}))
        return made[-1]

    yield begin
    for process in made:
        end(process)


@pytest.fixture(scope="module")
def zygote() -> Iterator[subprocess.Popen[str]]:
    """One process that has imported everything, see there."""
    command = [sys.executable, "-m", "tests.worker.zygote"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate(timeout=60)


@pytest.fixture
def fork(zygote: subprocess.Popen[str], configure: Callable[..., Path]) -> Iterator[Callable[..., int]]:
    """Starts workers without the seconds that importing takes, OpenVINO too; their pids. They are killed at the end."""
    pids = []

    def begin(slot: str = "0", **changed: Any) -> int:
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        print(slot, configure(**changed), file=zygote.stdin, flush=True)
        pids.append(int(zygote.stdout.readline()))
        return pids[-1]

    yield begin
    for pid in pids:
        if alive(pid):
            kill(pid)


def kill(pid: int) -> None:
    """kill -9, and see it dead."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), 20, "it is dead")


@pytest.fixture
def seen(bus: redis.Redis, keys: Keys) -> Seen:
    return Seen(bus, keys)


def load(seen: Seen, count: int, first: int = 0, cameras: Sequence[str] = CAMERAS) -> list[str]:
    """`count` windows of two tracks, from number `first` on, queued in one go; their ids."""
    seqs, start = range(first, first + count // 2), time.time() - 30
    windows = [window(seq, camera=camera, captured=start + seq / 10) for seq in seqs for camera in cameras]
    with seen.bus.pipeline() as pipe:
        for one in windows:
            pipe.xadd(seen.keys.windows, {FIELD: one.encode()})
        pipe.execute()
    return [one.id for one in windows]


def pending(seen: Seen) -> int:
    try:
        waiting: Any = seen.bus.xpending(seen.keys.windows, GROUP)
    except redis.ResponseError:
        return 0
    return int(waiting["pending"])


def freeze(pid: int) -> None:
    """SIGSTOP, and see it stand still."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, 20, "it stands still", 0.001)


def freeze_between_reading_and_committing(pid: int, seen: Seen) -> None:
    """SIGSTOP while entries are read and not committed, which nothing but the frozen process can change."""

    def frozen_with_entries() -> bool:
        freeze(pid)
        if pending(seen) and pending(seen):  # the second is answered after whatever it had sent before
            return True
        os.kill(pid, signal.SIGCONT)
        return False

    wait_until(frozen_with_entries, READY_S, "the worker has read", period_s=0.002)


def freeze_with_open_alerts(pid: int, seen: Seen) -> tuple[list[str], list[str]]:
    """SIGSTOP while the alerts of the last two cameras are open and nothing is left to read; all windows, all cameras.
    Alerts that this test itself outsat have ended, as they should: once more, with other cameras."""
    ids, cameras = list[str](), list[str]()
    for number in range(TRIES):
        both = [f"a{number}", f"b{number}"]
        cameras += both
        ids += load(seen, 80, cameras=both)
        opened = len(cameras)
        wait_until(lambda opened=opened: events(seen, "new")[opened - 1 :], READY_S, "both alerts")
        wait_until(seen.settled(len(ids)), READY_S, "nothing is left to read")
        freeze(pid)
        events(seen, "end")  # the second look is answered after whatever it had sent before
        if not any(one.alert.camera in both for one in events(seen, "end")):
            return ids, cameras
        os.kill(pid, signal.SIGCONT)
    pytest.fail(f"{TRIES} times held up until the alerts had ended")


def events(seen: Seen, kind: str) -> list[AlertEvent]:
    return [event for event in seen.events() if event.event == kind]


def assert_exactly_once(seen: Seen, ids: list[str], cameras: Sequence[str] = CAMERAS) -> None:
    """Each window one score, the sum right, nothing left, one alert per track with one end."""
    assert Counter(seen.scored()) == Counter(ids)
    assert seen.outcomes() == {"scored": len(ids)}
    assert (seen.bus.xlen(seen.keys.windows), pending(seen)) == (0, 0)
    ended = wait_until(lambda: len(events(seen, "end")) >= len(cameras) and seen.events(), 30, "all ends")
    assert isinstance(ended, list)
    for camera in cameras:
        told = [event for event in ended if event.alert.camera == camera]
        assert [event.event for event in told if event.event != "update"] == ["new", "end"]
        assert len({event.alert.id for event in told}) == 1


def test_killed_between_reading_and_committing(spawn: Spawn, seen: Seen) -> None:
    ids = load(seen, 160)
    process = spawn()
    freeze_between_reading_and_committing(process.pid, seen)
    process.kill()
    process.wait()
    assert len(seen.scored()) < len(ids)
    assert pending(seen) > 0
    spawn(reclaim_idle_s=3600)  # it finds its own windows by its name, not by their idle time
    wait_until(seen.settled(len(ids)), READY_S, "all scored after the restart")
    assert_exactly_once(seen, ids)


def test_killed_again_and_again_at_random_moments(fork: Callable[..., int], seen: Seen) -> None:
    chance = random.Random(20)
    ids = load(seen, BACKLOG)
    for _ in range(KILLS):
        if seen.bus.xlen(seen.keys.windows) < BACKLOG / 2:  # type: ignore[operator]
            ids += load(seen, BACKLOG, first=len(ids) // 2)
        pid, before = fork(), len(seen.scored())
        wait_until(lambda before=before: len(seen.scored()) > before, READY_S, "this life's first score", 0.002)
        time.sleep(chance.uniform(0, 0.04))  # where it is by then is what the test leaves to chance
        kill(pid)
    assert len(seen.scored()) < len(ids), "it was under load to the last kill"
    fork()
    wait_until(seen.settled(len(ids)), READY_S, "all scored")
    assert_exactly_once(seen, ids)


def test_a_stalled_worker_wakes_after_another_took_its_windows(fork: Callable[..., int], seen: Seen) -> None:
    ids = load(seen, 100)
    first = fork("0", reclaim_idle_s=0.3)
    freeze_between_reading_and_committing(first, seen)
    second = fork("1", reclaim_idle_s=0.3)
    wait_until(seen.settled(len(ids)), READY_S, "the other takes over")
    kill(second)
    os.kill(first, signal.SIGCONT)
    ids += load(seen, 2, first=50)
    wait_until(seen.settled(len(ids)), READY_S, "it goes on, after committing in vain what it held")
    assert_exactly_once(seen, ids)


def test_what_came_while_it_stood_still_is_heard_before_a_track_counts_as_silent(
    fork: Callable[..., int], seen: Seen
) -> None:
    """As when the machine sleeps. Its read has ended with nothing, so that it looks at the silent tracks first."""
    pid = fork()
    ids, cameras = freeze_with_open_alerts(pid, seen)
    time.sleep(2.5)  # longer than a track may be silent here
    ids += load(seen, 20, first=40, cameras=cameras[-2:])
    os.kill(pid, signal.SIGCONT)
    wait_until(seen.settled(len(ids)), READY_S, "all scored")
    assert_exactly_once(seen, ids, cameras)
    last = {window.camera: window.captured for window in map(Score.decode, seen.stream(seen.keys.scores))}
    assert {one.alert.camera: one.alert.updated for one in events(seen, "end")} == last


def test_sigterm_ends_it_in_time_and_whole(spawn: Spawn, seen: Seen) -> None:
    ids = load(seen, BACKLOG)
    process = spawn()
    wait_until(lambda: len(seen.scored()) > 3, READY_S, "under way")
    began = time.monotonic()
    process.terminate()
    assert process.wait(20) == 0
    assert time.monotonic() - began < ENDS_S * MS * 1000
    assert len(seen.scored()) < len(ids)
    assert seen.bus.keys(f"{seen.keys.prefix}service:worker:*") == []
    assert seen.outcomes()["scored"] == len(set(seen.scored()))
    assert seen.bus.xlen(seen.keys.windows) == len(ids) - len(seen.scored()), "the rest is still queued"
