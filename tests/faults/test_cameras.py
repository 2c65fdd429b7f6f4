"""Cameras that misbehave, all at once in one streamer process beside one that does not.

What must hold for each: no window spans a gap, the state says what is wrong and never that all is well, the camera
that behaves notices nothing, and memory stays bounded.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import structlog
import yaml

from streamer import config, models
from streamer.service import Streamer
from tests.faults.report import Report
from tests.support import clips, feeds, web
from tests.support.servers import RtspServer, end, missing, rtsp_available, valkey, wait_until
from wire import bus as wire_bus
from wire.keys import FIELD, Keys
from wire.messages import CameraState, Window
from wire.settings import Settings

ROOT = Path(__file__).parents[2]
KEYS = Keys()
FROZEN_S = 2.0
FRAMES = 8
SIZE, SMALL = (320, 240), (288, 216)  # small, since fourteen cameras share two cores with their servers
FPS = 4
MOST_MB = 700  # of the process with fifteen cameras, of which some send far more than they should
WITNESS = "witness"
SETTINGS: dict[str, Any] = {
    "streamer": {
        "name": "me", "detector": "haar", "frozen_after_s": FROZEN_S, "backoff_s": [0.2, 0.5, 1.0],
        "connect_timeout_s": 3.0, "preview_fps": 0, "max_fps": 60, "detect_width": 320,
        "queue_max_age_s": 600,
    },
    "window": {"frames": FRAMES, "crop_size": 64},
}  # fmt: skip


@dataclass
class Line:
    """A streamer process, what it has published, and the servers its cameras are on."""

    bus: redis.Redis
    process: subprocess.Popen[str]
    killed: RtspServer
    frozen: RtspServer
    peak_mb: float = 0.0
    began: float = field(default_factory=time.time)

    def states(self, camera: str) -> list[CameraState]:
        """All that was said of a camera, in order."""
        entries: Any = self.bus.xrange(KEYS.cameras)
        found = (CameraState.decode(fields[FIELD]) for _, fields in entries)
        return [state for state in found if state.name == camera]

    def now(self, camera: str) -> CameraState | None:
        """What is said of it now."""
        data: Any = self.bus.get(KEYS.camera(camera))
        return CameraState.decode(data) if data else None

    def windows(self, camera: str) -> list[Window]:
        """All its windows, in order."""
        entries: Any = self.bus.xrange(KEYS.windows)
        found = (Window.decode(fields[FIELD]) for _, fields in entries)
        return [window for window in found if window.camera == camera]

    def reaches(self, camera: str, *wanted: str, within: float = 20.0) -> CameraState:
        """Its state, once it is one of these."""

        def there() -> CameraState | None:
            state = self.now(camera)
            return state if state and state.state in wanted else None

        found = wait_until(there, within, f"{camera} is {wanted}, not {self.now(camera)}")
        assert isinstance(found, CameraState)
        return found

    def has(self, camera: str, windows: int, within: float = 25.0) -> None:
        """Wait for so many windows more."""
        count = len(self.windows(camera))
        wait_until(lambda: len(self.windows(camera)) >= count + windows, within, f"{windows} windows of {camera}")

    def recovers(self, camera: str, *trouble: str, within: float = 30.0) -> float:
        """Seconds from its first trouble of these to the first live picture after it, when it has come."""

        def seconds() -> float | None:
            states = self.states(camera)
            broken = next((n for n, state in enumerate(states) if n and state.state in trouble), len(states))
            back = next((state for state in states[broken:] if state.state == "live"), None)
            return back.updated - states[broken].updated if back else None

        found = wait_until(seconds, within, f"{camera} is live after {trouble}")
        assert isinstance(found, float)
        return found

    def holds(self, camera: str) -> float:
        """What must hold of every camera; the share of its windows that are accounted for."""
        whole(self.windows(camera))
        for state in self.states(camera):
            assert state.state != "live" or truthful(state), state
            assert bool(state.error) == (state.state not in ("live", "connecting", "ended")), state
        assert self.process.poll() is None, "the streamer died"
        self.peak_mb = max(self.peak_mb, rss_mb(self.process.pid))
        assert self.peak_mb < MOST_MB
        untouched(self.states(WITNESS), self.windows(WITNESS))
        return self.accounted(camera)

    def accounted(self, camera: str) -> float:
        """Windows in the stream over windows the streamer says it made; nothing is taken out of the stream here."""

        def both() -> tuple[int, int] | None:
            state = self.now(camera)
            if state is None:
                return None
            made, found = state.windows, sum(w.enqueued <= state.updated for w in self.windows(camera))
            return (made, found) if made == found else None

        made, found = wait_until(both, 20, f"all windows of {camera} are in the stream")  # type: ignore[misc]
        return found / made if made else 1.0


def whole(windows: list[Window]) -> None:
    """No window spans a gap, mixes pictures, or lies about when it was taken."""
    for window in windows:
        assert len(window.frames) == FRAMES
        for a, b in itertools.pairwise(window.frames):
            assert b.index == a.index + 1
            assert 0 < b.captured - a.captured <= 2 / FPS + 2e-3
        assert -0.5 < window.enqueued - window.captured < 30, "a capture time that is nobody's clock"


def truthful(state: CameraState) -> bool:
    """Whether what is called live is."""
    return state.last_frame is not None and state.updated - state.last_frame < FROZEN_S + 0.5


def untouched(states: list[CameraState], windows: list[Window]) -> None:
    """The camera that behaves was live all the time, in one stretch of video."""
    assert {state.state for state in states} <= {"connecting", "live"}
    assert len({window.epoch for window in windows}) <= 1
    whole(windows)


def rss_mb(pid: int) -> float:
    """Memory of a process that is in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def note(report: Report, name: str, line: Line, camera: str, recovery_s: float | None, **more: str | float) -> None:
    """Into the report, after everything was checked. No alert is in play here: a streamer alone raises none."""
    accounted = line.holds(camera)
    assert line.bus.xlen(KEYS.alerts) == 0
    more |= {"windows": len(line.windows(camera)), "rss_mb": round(line.peak_mb, 1)}
    report.add(
        name=f"camera: {name}", accounted=accounted, alerts_lost=0, alerts_doubled=0, recovery_s=recovery_s, **more
    )


def misbehaving(site: web.Site, folder: Path, killed: str, frozen: str, silent: str, noise: int) -> dict[str, str]:
    """Camera -> url."""
    faces = list(clips.gliding(4, 10, SIZE))
    small = list(clips.gliding(4, 10, SMALL))
    plain = feeds.jpeg(np.full((120, 160, 3), 90, np.uint8))
    ts = feeds.transport
    first, junk = ts(folder / "a.ts", faces, start_s=10_000), os.urandom(400_000)
    later, earlier = ts(folder / "b.ts", faces, start_s=13_600), ts(folder / "c.ts", faces, start_s=6_400)
    raw = feeds.elementary(folder / "raw.h264", faces)
    site.pages |= {
        "/slow": feeds.trickling(),
        "/garbage": feeds.live((first, 4), (junk, 4)),
        "/size": feeds.live((ts(folder / "d.ts", faces), 4), (ts(folder / "e.ts", small), 4)),
        "/codec": feeds.live((first, 4), (ts(folder / "f.ts", faces, codec="mpeg2video"), 5)),
        "/forward": feeds.live((first, 4), (later, 4)),
        "/backward": feeds.live((first, 4), (earlier, 4)),
        "/unstamped": feeds.live((raw, 4), (raw, 4)),
        "/8k": feeds.mjpeg([feeds.jpeg(np.full((4320, 7680, 3), 90, np.uint8))], 2),
        "/1x1": feeds.mjpeg([feeds.jpeg(np.full((1, 1, 3), shade, np.uint8)) for shade in range(0, 250, 10)], 10),
        "/slowest": feeds.mjpeg([feeds.jpeg(face) for face in faces[::10]], 0.2),
        "/240": feeds.mjpeg([plain], 240),
    }
    urls = {path.removeprefix("/"): site.url(path) for path in site.pages}
    steady = clips.write(folder / "steady.mp4", clips.gliding(4, 10, SIZE), 10)
    rtsp = {"killed": killed, "frozen": frozen, "silent": silent, "noise": f"rtsp://127.0.0.1:{noise}/x"}
    return {WITNESS: str(steady), **rtsp, **urls}


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    if not rtsp_available():
        missing("no gst-rtsp-server: run scripts/install-system.sh test")
    folder = tmp_path_factory.mktemp("cameras")
    clip = clips.write(folder / "clip.mp4", clips.gliding(4, 10, SIZE), 10)
    servers = RtspServer(clip, fps=10), RtspServer(clip, fps=10)
    with contextlib.ExitStack() as stack:
        url, _ = stack.enter_context(valkey(folder))
        bus = stack.enter_context(redis.Redis.from_url(url))
        site, noise = stack.enter_context(web.serving()), stack.enter_context(feeds.babbler())
        for server in servers:
            server.start()
        urls = misbehaving(site, folder, servers[0].url(), servers[1].url(), servers[0].url("silent"), noise)
        cameras = {name: {"url": url, "loop": name == WITNESS, "analysis_fps": FPS} for name, url in urls.items()}
        file = folder / "unmask.yaml"
        file.write_text(yaml.safe_dump({**SETTINGS, "cameras": cameras}))
        log = stack.enter_context((folder / "log").open("w"))
        process = subprocess.Popen(
            [sys.executable, "-m", "streamer", "--config", str(file)],
            env={**os.environ, "REDIS_URL": url, "PYTHONPATH": str(ROOT)},
            stderr=log,
            text=True,
        )
        one = Line(bus, process, *servers)
        try:
            one.reaches(WITNESS, "live")
            yield one
        finally:
            end(process)
            for server in servers:
                server.close()
        text = (folder / "log").read_text()
        assert process.returncode == 0, text
        assert "Traceback" not in text
        counts: Any = bus.hgetall(KEYS.outcomes)
        assert counts.keys() <= {b"made", b"trimmed"}
        assert int(counts[b"made"]) == bus.xlen(KEYS.windows) + int(counts.get(b"trimmed", 0)), counts


def test_killed_and_back(line: Line, report: Report) -> None:
    line.has("killed", 1)
    line.killed.kill()
    line.reaches("killed", "refused", "disconnected")
    line.killed.start()
    back = time.monotonic()
    line.reaches("killed", "live")
    recovery = time.monotonic() - back
    line.has("killed", 1)
    assert len({window.epoch for window in line.windows("killed")}) >= 2
    note(report, "killed and back", line, "killed", recovery)


def test_frozen(line: Line, report: Report) -> None:
    line.has("frozen", 1)
    line.frozen.freeze()
    stopped = time.monotonic()
    line.reaches("frozen", "frozen")
    noticed = time.monotonic() - stopped
    line.frozen.thaw()
    back = time.monotonic()
    line.reaches("frozen", "live")
    recovery = time.monotonic() - back
    line.has("frozen", 1)
    assert noticed < FROZEN_S + 8
    note(report, "frozen, sockets open", line, "frozen", recovery, noticed_s=noticed)


def test_slow(line: Line, report: Report) -> None:
    error = line.reaches("slow", "timeout").error
    assert "camera is on" in error
    assert not any(state.state == "live" for state in line.states("slow"))
    note(report, "bytes that trickle in", line, "slow", None)


def test_noise_instead_of_a_server(line: Line, report: Report) -> None:
    line.reaches("noise", "failed", "timeout", "disconnected")
    note(report, "noise instead of RTSP", line, "noise", None)


def test_garbage_in_mid_stream(line: Line, report: Report) -> None:
    recovery = line.recovers("garbage", "frozen", "failed", "disconnected")
    assert line.windows("garbage")
    note(report, "garbage in mid-stream", line, "garbage", recovery)


def test_audio_only(line: Line, report: Report) -> None:
    assert "video track" in line.reaches("silent", "no-video").error
    note(report, "audio only", line, "silent", None)


def test_another_size_in_mid_stream(line: Line, report: Report) -> None:
    wait_until(lambda: len({w.frame_size for w in line.windows("size")}) == 2, 25, "windows of both sizes")
    for window in line.windows("size"):
        assert window.frame_size in (SIZE, SMALL)
    both = line.windows("size")
    epochs = [{w.epoch for w in both if w.frame_size == size} for size in (SIZE, SMALL)]
    assert not epochs[0] & epochs[1]
    note(report, "another size in mid-stream", line, "size", None)


def test_another_codec_in_mid_stream(line: Line, report: Report) -> None:
    recovery = line.recovers("codec", "frozen", "failed", "disconnected")
    assert line.windows("codec")
    note(report, "another codec in mid-stream", line, "codec", recovery)


LONGER = (pytest.param(name, marks=pytest.mark.long) for name in ("backward", "unstamped"))


@pytest.mark.parametrize("camera", ["forward", *LONGER])
def test_timestamps(line: Line, report: Report, camera: str) -> None:
    """They jump by an hour, or there are none: the capture times follow the wall clock all the same."""
    jump = next(state for state in line.states(camera) if state.state == "live").since + 4
    wait_until(lambda: [w for w in line.windows(camera) if w.frames[0].captured > jump], 25, "windows after the jump")
    assert [w for w in line.windows(camera) if w.captured < jump]
    name = "no timestamps" if camera == "unstamped" else f"timestamps jump {camera} by an hour"
    note(report, name, line, camera, None)


def test_8k(line: Line, report: Report) -> None:
    error = line.reaches("8k", "over-limit").error
    assert "a picture of more than 9.0 megapixels" in error
    assert "streamer.max_pixels" in error
    assert line.windows("8k") == []
    note(report, "8K frames", line, "8k", None)


@pytest.mark.long
def test_1x1(line: Line, report: Report) -> None:
    state = line.reaches("1x1", "live")
    assert (state.frame_size, state.faces, line.windows("1x1")) == ((1, 1), 0, [])
    note(report, "1x1 frames", line, "1x1", None)


def test_a_frame_in_five_seconds(line: Line, report: Report) -> None:
    """Too few for a window: it is never looked at as if it were watched."""
    line.reaches("slowest", "frozen", "timeout")
    assert line.windows("slowest") == []
    note(report, "0.2 frames a second", line, "slowest", None)


@pytest.mark.long
def test_240_frames_a_second(line: Line, report: Report) -> None:
    """Refused with a clear line; below the limit it would only be decoded, never analysed, more often."""
    error = line.reaches("240", "over-limit", within=30).error
    assert "more than 60 frames a second" in error
    analysed = [state.analysed_fps for state in line.states("240")]
    assert max(analysed) <= 7
    note(report, "240 frames a second", line, "240", None, refused_after_s=line.states("240")[-1].since - line.began)


def test_the_wall_clock_steps_back_an_hour(
    redis_url: str, bus: redis.Redis, report: Report, tmp_path: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    """The service's own clock, passed in: windows and states go on within seconds, none spans the step."""
    clip = clips.write(tmp_path / "clip.mp4", clips.gliding(4, 10, SIZE), 10)
    urls = {"rtsp": rtsp_server(clip, fps=10).url(), "file": str(clip)}
    cameras = {name: {"url": url, "loop": name == "file", "analysis_fps": FPS} for name, url in urls.items()}
    settings = Settings(cameras=cameras, redis={"url": redis_url}, **SETTINGS)  # type: ignore[arg-type]
    step = 0.0
    taken, own = config.take(settings), wire_bus.connect(redis_url)
    streamer = Streamer(taken, own, structlog.get_logger(), models.Choice("haar", None), lambda: time.time() - step)
    thread = threading.Thread(target=streamer.run)
    thread.start()
    line = Line(bus, None, None, None)  # type: ignore[arg-type]
    try:
        for camera in cameras:
            line.has(camera, 2)
        step = 3600.0
        stepped = time.monotonic()
        before = {camera: len(line.windows(camera)) for camera in cameras}
        for camera in cameras:
            line.has(camera, 2)
        recovery = time.monotonic() - stepped
        for camera in cameras:
            state = line.now(camera)
            assert state
            assert state.state == "live"
            assert abs(state.updated - (time.time() - step)) < 30, "the state is told by the new clock"
            assert state.since <= state.updated, "or no score of the new time would count as one of this picture"
            windows = line.windows(camera)
            whole(windows)
            assert not {w.epoch for w in windows[before[camera] + 2 :]} & {w.epoch for w in windows[: before[camera]]}
    finally:
        streamer.stop()
        thread.join(10)
        own.close()
    made, there = int(bus.hget(KEYS.outcomes, "made") or 0), bus.xlen(KEYS.windows)  # type: ignore[arg-type]
    assert there == made
    report.add(
        name="camera: wall clock steps back an hour", accounted=there / made, alerts_lost=0, alerts_doubled=0,
        recovery_s=recovery,
    )  # fmt: skip


CRASH = """
import ctypes
from streamer.reader import Reader
decode = Reader._decode
def hostile(self):
    for number, frame in enumerate(decode(self)):
        if number == 20 and "hostile" in self.source.target:
            ctypes.string_at(0)
        yield frame
Reader._decode = hostile
"""


def test_one_that_crashes_the_decoder(redis_url: str, bus: redis.Redis, report: Report, tmp_path: Path) -> None:
    """A real segmentation fault in its thread: one process is lost, then the camera is kept out and the other runs."""
    for name in ("hostile.mp4", "good.mp4"):
        clips.write(tmp_path / name, clips.gliding(4, 10, SIZE), 10)
    (tmp_path / "sitecustomize.py").write_text(CRASH)
    names = "hostile", "good"
    cameras = {name: {"url": str(tmp_path / f"{name}.mp4"), "loop": True, "analysis_fps": FPS} for name in names}
    file = tmp_path / "unmask.yaml"
    file.write_text(yaml.safe_dump({**SETTINGS, "cameras": cameras}))
    log = (tmp_path / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "unmask", "streamer", "--config", str(file)],
        env={**os.environ, "REDIS_URL": redis_url, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stderr=log,
        start_new_session=True,
    )
    line = Line(bus, process, None, None)  # type: ignore[arg-type]
    try:
        line.reaches("hostile", "live")
        wait_until(lambda: line.reaches("hostile", "live", "quarantined").state == "quarantined", 20, "it is named")
        error = line.reaches("hostile", "quarantined").error
        assert "it has brought the streamer down once; tried again at" in error
        crashed = line.reaches("hostile", "quarantined").since
        line.reaches("good", "live")
        line.has("good", 2)
        recovery = next(w.captured for w in line.windows("good") if w.captured > crashed) - crashed
        for camera in cameras:
            whole(line.windows(camera))
        assert not {w.epoch for w in line.windows("good") if w.captured < crashed - 2} & {
            w.epoch for w in line.windows("good") if w.captured > crashed
        }
    finally:
        end(process, 10)
        log.close()
    assert process.returncode == 0
    text = (tmp_path / "log").read_text()
    assert text.count("restarting a service that died") == 1, text
    assert "a camera has brought a service down" in text
    made, there = int(bus.hget(KEYS.outcomes, "made") or 0), bus.xlen(KEYS.windows)  # type: ignore[arg-type]
    report.add(
        name="camera: crashes the decoder", accounted=there / made, alerts_lost=0, alerts_doubled=0,
        recovery_s=recovery,
    )  # fmt: skip
    assert there == made
