from __future__ import annotations

import gc
import itertools
import os
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from streamer import config, foreign, pixels
from streamer.camera import CameraRuntime
from streamer.catchup import LEAVE_S
from streamer.faces import Detector, Face, Haar
from streamer.pixels import Picture
from streamer.reader import Context, Decoded, Reader
from streamer.sources import Source
from tests.streamer.conftest import FixedDetector, KeepingSink
from tests.support.servers import MS, RtspServer, free_port, wait_until
from wire.messages import CameraState, Window
from wire.settings import CameraSettings, StreamerSettings, WindowSettings
from wire.telemetry import Log

NOTICED_S = 8.0
STOPPED_S = 4.0  # under two seconds, and what a busy machine adds; a read inside FFmpeg would last longer
LOGIN = "alice:s3cret"
Make = Callable[..., CameraRuntime]


@pytest.fixture
def make(sink: KeepingSink, log: Log) -> Iterator[Make]:
    """Makes running cameras; each must stop in time."""
    made: list[CameraRuntime] = []

    def camera(url: str, detector: type[Detector] = FixedDetector, **options: object) -> CameraRuntime:
        settings = StreamerSettings(backoff_s=(0.2, 0.5, 1.0))
        one = config.camera("cam", CameraSettings(url=url, **options), settings)  # type: ignore[arg-type]
        window = WindowSettings(frames=8, stride=4)
        runtime = CameraRuntime(one, settings, window, detector, sink, "me", log)
        made.append(runtime)
        runtime.start()
        return runtime

    yield camera
    for runtime in made:
        began = time.monotonic()
        runtime.stop()
        assert time.monotonic() - began < STOPPED_S * MS * 1000


def reaches(camera: CameraRuntime, *states: str, within: float = NOTICED_S) -> float:
    """Seconds until the camera is in one of these states."""
    began = time.monotonic()
    wait_until(lambda: camera.state().state in states, within, f"{states}, not {camera.state()}")
    return time.monotonic() - began


def holds_no_gap(windows: list[Window]) -> None:
    assert windows
    for window in windows:
        assert len(window.frames) == 8
        for a, b in itertools.pairwise(window.frames):
            assert b.index == a.index + 1
            assert 0 < b.captured - a.captured <= 2 / 6 + 2e-3


def two_windows(sink: KeepingSink) -> None:
    count = len(sink.windows)
    wait_until(lambda: len(sink.windows) >= count + 2, 20, "two windows")


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_frozen_server(
    make: Make, sink: KeepingSink, face_clip: Path, rtsp_server: Callable[..., RtspServer], transport: str
) -> None:
    """Digest login; SIGSTOP is noticed though the reader is blocked, SIGCONT brings it back in a new epoch."""
    server = rtsp_server(face_clip, auth="digest")
    camera = make(server.url(login=LOGIN), transport=transport)
    two_windows(sink)
    server.freeze()
    assert reaches(camera, "frozen", "timeout") > 1
    reaches(camera, "timeout", within=NOTICED_S)  # and it is not waited for any longer
    before = {window.epoch for window in sink.windows}
    server.thaw()
    reaches(camera, "live", within=30)
    two_windows(sink)
    assert {w.epoch for w in sink.windows} - before
    holds_no_gap(sink.windows)
    assert camera.state().reconnects >= 1


def test_a_killed_and_restarted_server(
    make: Make, sink: KeepingSink, face_clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    server = rtsp_server(face_clip)
    camera = make(server.url())
    two_windows(sink)
    server.kill()
    reaches(camera, "disconnected", "refused")
    reaches(camera, "refused")
    server.start()
    reaches(camera, "live", within=30)
    two_windows(sink)
    holds_no_gap(sink.windows)
    assert len({w.epoch for w in sink.windows}) >= 2
    state = camera.state()
    assert (state.reconnects, state.error, state.frame_size, state.owner) == (1, "", (640, 480), "me")


@pytest.mark.parametrize("kind", ["killed", "refused"])
def test_nothing_is_kept_of_a_session_that_was_lost(
    make: Make, face_clip: Path, rtsp_server: Callable[..., RtspServer], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sessions: list[weakref.ref[Reader]] = []

    def noted(source: Source, context: Context) -> Reader:
        reader = foreign.reader(source, context)
        sessions.append(weakref.ref(reader))
        return reader

    monkeypatch.setattr("streamer.camera.foreign", SimpleNamespace(reader=noted))
    server = rtsp_server(face_clip, auth="digest" if kind == "refused" else "")
    gc.disable()  # a cycle would be kept, too: in a process that makes little garbage for hours
    try:
        camera = make(server.url())
        if kind == "killed":
            reaches(camera, "live")
            server.kill()
        wait_until(lambda: camera.state().state not in ("connecting", "live", "frozen"), NOTICED_S, "the loss")
        wait_until(lambda: sessions[0]() is None, 5, "the session is gone")  # a refused one is retried later
    finally:
        gc.enable()


def test_a_server_frozen_while_stopping_does_not_hold_us(
    make: Make, face_clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    server = rtsp_server(face_clip)
    camera = make(server.url())
    reaches(camera, "live")
    server.freeze()
    threading.Event().wait(0.3)
    began = time.monotonic()
    camera.stop()
    assert time.monotonic() - began < STOPPED_S * MS * 1000


def attempts(server: RtspServer) -> int:
    """Connections the server has counted."""
    assert server.process is not None
    assert server.process.stdout is not None
    os.set_blocking(server.process.stdout.fileno(), False)
    return len([line for line in server.process.stdout if line.startswith("attempt")])


def test_a_wrong_password(
    make: Make, sink: KeepingSink, face_clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    server = rtsp_server(face_clip, auth="digest")
    camera = make(server.url(login="alice:wr0ng"))
    reaches(camera, "unauthorised", within=30)
    threading.Event().wait(3)
    assert 1 <= attempts(server) <= 2  # no busy loop
    assert camera.state().state == "unauthorised"
    assert "wr0ng" not in repr(sink.states) + repr(camera.state())
    assert sink.windows == []


@pytest.mark.parametrize(("path", "kind"), [("nowhere", "not-found"), ("silent", "no-video")])
def test_a_path_that_is_not_there_and_one_without_a_picture(
    make: Make, face_clip: Path, rtsp_server: Callable[..., RtspServer], path: str, kind: str
) -> None:
    camera = make(rtsp_server(face_clip).url(path))
    reaches(camera, kind)
    assert kind in camera.state().error


def test_a_wall_clock_set_back_dates_the_state_anew(sink: KeepingSink, log: Log) -> None:
    now, streamer = 10_000.0, StreamerSettings()
    one = config.camera("cam", CameraSettings(url="clip.mp4"), streamer)
    camera = CameraRuntime(one, streamer, WindowSettings(), FixedDetector, sink, "me", log, lambda: now)
    assert camera.state().since == 10_000.0
    now = 6_400.0
    assert camera.state().since == 6_400.0
    now = 6_500.0
    assert camera.state().since == 6_400.0


def test_who_knocks_again_and_again_makes_no_state_each_time(sink: KeepingSink, log: Log) -> None:
    streamer = StreamerSettings()
    one = config.camera("cam", CameraSettings(url="rtmp://127.0.0.1:1/live/a-long-key", listen="loopback"), streamer)
    camera = CameraRuntime(one, streamer, WindowSettings(), FixedDetector, sink, "me", log)
    camera._waiting("")
    for number in range(100):
        camera._waiting(f"a publisher at 192.0.2.{number} was refused: its stream key is wrong")
    assert len(sink.states) == 1
    assert "192.0.2.99" in camera.state().error, "it is told with the next"


def test_nobody_listens(make: Make) -> None:
    reaches(make(f"rtsp://127.0.0.1:{free_port()}/x"), "refused")


def test_bad_files(make: Make, audio_clip: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("no video")
    for url, kind in ((audio_clip, "no-video"), (notes, "failed"), (tmp_path / "none.mp4", "not-found")):
        reaches(make(str(url)), kind)


def test_once_it_was_asked_to_stop_a_camera_offers_nothing(make: Make, sink: KeepingSink, tmp_path: Path) -> None:
    """Nor is it about to: what was removed from Redis then would come back."""
    made, told, late = threading.Event(), threading.Event(), list[bool]()

    def ask() -> None:
        made.wait()
        camera.ask_to_stop()
        told.set()

    def offer(state: CameraState) -> None:
        threading.Thread(target=ask).start()
        late.append(told.wait(0.3))

    sink.offer_state = offer  # type: ignore[method-assign]
    camera = make(str(tmp_path / "none.mp4"))
    made.set()
    wait_until(lambda: told.is_set() and camera.stop(), NOTICED_S, "it stops")
    assert late == [False]


def test_a_plain_file_ends_and_a_looped_one_does_not(make: Make, sink: KeepingSink, plain_clip: Path) -> None:
    looped = make(str(plain_clip), loop=True)
    plain = make(str(plain_clip))
    reaches(plain, "ended", within=30)
    wait_until(lambda: len(sink.windows) >= 6, 20, "more windows than two seconds hold")
    assert looped.state().state == "live"
    assert looped.state().reconnects == 0
    holds_no_gap(sink.windows)


def test_windows_come_from_a_real_detector_and_the_preview_shows_it(
    make: Make, sink: KeepingSink, face_clip: Path
) -> None:
    def haar() -> Detector:
        return Haar(640, 32)

    camera = make(str(face_clip), haar, loop=True)  # type: ignore[arg-type]
    wait_until(lambda: len(sink.windows) >= 1, 20, "a window")
    state = wait_until(lambda: (now := camera.state()).windows == len(sink.windows) and now, 20, "each is counted")
    assert isinstance(state, CameraState)
    assert (state.state, state.detector, state.faces) == ("live", "haar", 1)
    name, jpeg = sink.previews[0]
    assert (name, jpeg[:2]) == ("cam", b"\xff\xd8")
    holds_no_gap(sink.windows)


def test_a_change_of_size_begins_an_epoch(make: Make, sink: KeepingSink, resized_clip: Path) -> None:
    make(str(resized_clip))
    wait_until(lambda: len({w.frame_size for w in sink.windows}) == 2, 40, "windows of both sizes")
    holds_no_gap(sink.windows)
    assert len({w.epoch for w in sink.windows}) == 2


class Slow(FixedDetector):
    """Takes four times as long as it may, while `at_work` is set."""

    at_work = threading.Event()

    def detect(self, bgr: Picture) -> list[Face]:
        if self.at_work.is_set():
            threading.Event().wait(4 / 6)
        return super().detect(bgr)


def test_a_camera_that_we_do_not_keep_up_with_is_left_and_taken_up_where_it_is_now(
    make: Make, sink: KeepingSink, face_clip: Path, rtsp_server: Callable[..., RtspServer]
) -> None:
    camera = make(rtsp_server(face_clip).url(), Slow)
    two_windows(sink)
    began = time.time()
    Slow.at_work.set()
    try:
        state = wait_until(lambda: (now := camera.state()).late_since and now, 20, "left")
    finally:
        Slow.at_work.clear()
    assert isinstance(state, CameraState)
    assert state.state == "live"
    assert state.late_since
    assert began <= state.late_since <= time.time()
    wait_until(lambda: not camera.state().late_since, 20, "taken up")
    two_windows(sink)
    newest = sink.windows[-1]
    assert time.time() - newest.captured < LEAVE_S
    assert camera.state().reconnects == 0
    holds_no_gap(sink.windows)


class Failing(FixedDetector):
    """Fails at the third picture."""

    def __init__(self) -> None:
        self.count = 0

    def detect(self, bgr: object) -> list[object]:  # type: ignore[override]
        self.count += 1
        if self.count == 3:
            raise RuntimeError("rtsp://alice:s3cret@cam exploded")
        return super().detect(bgr)  # type: ignore[arg-type, return-value]


def test_a_bug_costs_one_connection_not_the_camera(make: Make, sink: KeepingSink, face_clip: Path) -> None:
    with capture_logs() as lines:
        make(str(face_clip), Failing, loop=True)
        wait_until(lambda: len(sink.windows) >= 1, 20, "a window after the failure")
    assert "failed" in [state.state for state in sink.states]
    assert "s3cret" not in repr(lines) + repr(sink.states)


def test_frames_that_are_not_analysed_are_decoded_and_nothing_more(
    make: Make, sink: KeepingSink, face_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: Counter[str] = Counter()

    def count(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(*arguments: object) -> object:
            counts[name] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, call)

    count(Decoded, "view")  # the one way to a frame's pixels
    count(pixels, "to_bgr")
    count(Decoded, "__init__")
    camera = make(str(face_clip))
    reaches(camera, "ended", within=40)
    samples = counts["__init__"] * 6 // 25 + 1
    assert counts["__init__"] >= 50
    assert samples - 2 <= counts["view"] <= samples
    assert (
        counts["to_bgr"] <= 2 * samples
    )  # all of it once, for the whole search and the preview; the surroundings once
