from __future__ import annotations

import contextlib
import dataclasses
import http.server
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from streamer import sources
from streamer.reader import Context, Decoded, Reader
from tests.streamer.conftest import FastTime
from tests.support import clips, feeds
from wire.errors import SourceError
from wire.settings import CameraSettings


def read(path: Path, loop: bool = False, most: int = 10_000) -> tuple[list[Decoded], FastTime]:
    fast = FastTime()
    with Reader(sources.parse(CameraSettings(url=str(path), loop=loop)), Context(fast.stop, fast.clock)) as reader:
        return list(itertools.islice(reader.frames(), most)), fast


def test_a_file_is_played_in_real_time_to_its_end(face_clip: Path) -> None:
    frames, fast = read(face_clip)
    assert len(frames) == 100
    assert fast.now == pytest.approx(1000 + 99 / 25)
    assert [f.captured for f in frames] == pytest.approx([1000 + i / 25 for i in range(100)])
    assert all(f.lag == 0 for f in frames)


def test_a_loop_goes_on_evenly(face_clip: Path) -> None:
    frames, _ = read(face_clip, loop=True, most=350)
    gaps = [b.captured - a.captured for a, b in itertools.pairwise(frames)]
    assert gaps == pytest.approx([0.04] * 349)


def test_a_slow_reader_is_told_its_lag_and_forgiven_at_last(face_clip: Path) -> None:
    fast = FastTime()
    lags = []
    with Reader(sources.parse(CameraSettings(url=str(face_clip), loop=True)), Context(fast.stop, fast.clock)) as reader:
        for frame in itertools.islice(reader.frames(), 100):
            lags.append(frame.lag)
            fast.now += 0.14
    assert lags[10] == pytest.approx(1.0)
    assert max(lags) < 3.2
    assert lags[35] < lags[25]  # given up catching up


def test_what_it_says_of_itself_and_the_picture(face_clip: Path) -> None:
    with Reader(sources.parse(CameraSettings(url=str(face_clip)))) as reader:
        info = reader.open()
        assert (info.codec, info.size, info.fps, info.duration_s) == ("h264", (640, 480), 25, 4)
        frame = next(reader.frames())
        picture = frame.bgr()
    assert (picture.shape, picture.dtype, frame.size) == ((480, 640, 3), np.uint8, (640, 480))
    expected = next(clips.gliding(4))
    assert float(np.abs(picture.astype(int) - expected).mean()) < 6  # and blue is blue


def test_a_region_is_cut_where_the_grabber_can_not(face_clip: Path) -> None:
    import dataclasses

    source = dataclasses.replace(sources.parse(CameraSettings(url=str(face_clip))), crop=(100, 50, 200, 120))
    with Reader(source) as reader:
        frame = next(reader.frames())
        assert frame.size == (200, 120)
        assert frame.bgr().shape == (120, 200, 3)


def test_stop_ends_it_between_frames(face_clip: Path) -> None:
    stop = threading.Event()
    with Reader(sources.parse(CameraSettings(url=str(face_clip))), Context(stop)) as reader:
        frames = reader.frames()
        next(frames)
        stop.set()
        assert list(frames) == []


def test_a_damaged_file_gives_what_can_be_read(face_clip: Path, tmp_path: Path) -> None:
    data = bytearray(face_clip.read_bytes())
    start = data.index(b"mdat")
    for offset in range(start + 3000, start + 30_000, 997):
        data[offset] ^= 0xFF
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    frames, _ = read(path)
    assert len(frames) > 30


def test_close_twice_and_unopened() -> None:
    reader = Reader(sources.parse(CameraSettings(url="none.mp4")))
    reader.close()
    with pytest.raises(SourceError):
        reader.open()
    reader.close()


def test_ffmpeg_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        pytest.raises(SourceError),
        Reader(sources.parse(CameraSettings(url="rtsp://alice:s3cret@127.0.0.1:9/x"))) as reader,
    ):
        reader.open()
    assert av.logging.get_level() is None
    assert "s3cret" not in "".join(capfd.readouterr())


class Mjpeg(http.server.BaseHTTPRequestHandler):
    """Ten pictures a second, as a cheap camera sends them, forty in all; the pile comes at once; the closed one wants a
    password."""

    def do_GET(self) -> None:
        if self.path.startswith("/closed"):
            self.send_error(401)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        parts = [self.part(index) for index in range(40)]
        if self.path.startswith("/pile"):
            parts = [b"".join(parts)]
        pause = threading.Event()
        for part in parts:
            try:
                self.wfile.write(part)
            except OSError:
                return
            pause.wait(0 if len(parts) == 1 else 0.1)

    @staticmethod
    def part(index: int) -> bytes:
        picture = np.full((240, 320, 3), index * 5, np.uint8)
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        return head.encode() + jpeg + b"\r\n"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mjpeg() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mjpeg) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_mjpeg_over_http_is_live_and_its_end_a_disconnect(mjpeg: str) -> None:
    captured: list[tuple[float, float]] = []
    with Reader(sources.parse(CameraSettings(url=f"{mjpeg}/video"))) as reader:
        assert reader.open().codec == "mjpeg"
        frames = reader.frames()
        with pytest.raises(SourceError) as caught:
            captured.extend((frame.captured, time.time()) for frame in frames)
    assert caught.value.kind == "disconnected"
    assert len(captured) > 30
    shown, seen = (times[-1] - times[0] for times in zip(*captured, strict=True))
    assert seen > 3
    assert shown == pytest.approx(seen, abs=1.5)  # and not the 1.6 s that a stream without timestamps claims
    assert max(at - one for one, at in captured) < 2


def test_what_has_piled_up_is_left(mjpeg: str) -> None:
    clock = itertools.count(1000, 0.25)  # by which ours takes six times as long for a picture as the camera
    lags: list[float] = []
    with Reader(sources.parse(CameraSettings(url=f"{mjpeg}/pile")), Context(clock=clock.__next__)) as reader:
        reader.open()
        with pytest.raises(SourceError, match="the stream ended"):
            lags.extend(frame.lag for frame in reader.frames())
        assert reader.behind_since
    assert 3 < max(lags) <= 3.5
    assert len(lags) < 25  # of 40: it never came to the newest


def test_a_closed_http_camera(mjpeg: str) -> None:
    url = f"{mjpeg}/closed".replace("http://", "http://alice:s3cret@")
    with (
        pytest.raises(SourceError) as caught,
        Reader(sources.parse(CameraSettings(url=url))) as reader,
    ):
        reader.open()
    assert caught.value.kind == "unauthorised"
    assert "s3cret" not in str(caught.value)


def test_a_paced_file_goes_on_when_the_wall_clock_is_set_back(face_clip: Path) -> None:
    fast = FastTime()
    fast.now = 10_000.0
    times = []
    with Reader(sources.parse(CameraSettings(url=str(face_clip))), Context(fast.stop, fast.clock)) as reader:
        for number, frame in enumerate(itertools.islice(reader.frames(), 60)):
            times.append(frame.captured)
            if number == 30:
                fast.now -= 3600
    assert times[31] == pytest.approx(10_000 - 3600 + 31 / 25, abs=0.05)
    assert [b - a for a, b in itertools.pairwise(times[32:])] == pytest.approx([0.04] * 27)


def limited(path: Path, **limits: float) -> Reader:
    source = dataclasses.replace(sources.parse(CameraSettings(url=str(path))), **limits)  # type: ignore[arg-type]
    return Reader(source)


def test_a_picture_above_the_limit_is_refused(face_clip: Path, resized_clip: Path) -> None:
    with pytest.raises(SourceError, match=r"640x480 is 0\.3 megapixels, the limit is 0\.2") as caught:
        limited(face_clip, max_pixels=200_000).open()
    assert caught.value.kind == "over-limit"
    assert "streamer.max_pixels" in str(caught.value)
    with limited(face_clip, max_pixels=640 * 480) as reader:
        assert next(reader.frames()).size == (640, 480)


def test_a_picture_that_grows_above_the_limit_ends_the_stream(tmp_path: Path) -> None:
    """Its first frame of the new size is not decoded; what came before is."""
    small, large = (feeds.elementary(tmp_path / "x.h264", list(clips.gliding(1, 10, size))) for size in (
        (320, 240), (640, 480)
    ))  # fmt: skip
    both = tmp_path / "both.h264"
    both.write_bytes(small + large)
    sizes = []
    with pytest.raises(SourceError) as caught, limited(both, max_pixels=100_000) as reader:
        sizes += [frame.size for frame in reader.frames()]
    assert caught.value.kind == "over-limit"
    reader = limited(both, max_pixels=100_000)
    with reader, contextlib.suppress(SourceError):
        for frame in reader.frames():
            sizes.append(frame.size)
    assert set(sizes) == {(320, 240)}
