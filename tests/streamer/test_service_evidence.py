"""The whole streamer on a real RTSP server: an alert comes, its picture and clip follow."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
import redis
import structlog

from streamer import config, models
from streamer.service import Streamer
from tests.streamer.test_evidence import number_in, part, raise_alert
from tests.support import numbered
from tests.support.servers import RtspServer, wait_until
from wire import bus as wire_bus
from wire.keys import Keys
from wire.messages import CameraState, Clip, Picture
from wire.settings import Settings

BEFORE_S, AFTER_S, GOP_S = 3.0, 1.0, 1.0


@pytest.fixture
def camera(tmp_path: Path, rtsp_server: Callable[..., RtspServer]) -> RtspServer:
    """Ten seconds of numbered frames, looped, a key frame every second."""
    return rtsp_server(numbered.write(tmp_path / "camera", "h264", count=250))


@pytest.fixture
def streamer(redis_url: str, camera: RtspServer) -> Iterator[Streamer]:
    """A running streamer of one camera, `cam`; it must end in time."""
    settings = Settings(
        cameras={"cam": {"url": camera.url()}},  # type: ignore[dict-item]
        redis={"url": redis_url},  # type: ignore[arg-type]
        streamer={"name": "me", "detector": "haar"},  # type: ignore[arg-type]
        alerts={"evidence_clip": True, "clip_before_s": BEFORE_S, "clip_after_s": AFTER_S},  # type: ignore[arg-type]
    )
    taken = config.take(settings)
    client = wire_bus.connect(redis_url)
    one = Streamer(taken, client, structlog.get_logger(), models.Choice("haar", None))
    thread = threading.Thread(target=one.run)
    thread.start()
    yield one
    one.stop()
    thread.join(5)  # two seconds, and what a busy machine adds
    assert not thread.is_alive()
    wait_until(lambda: not one.stuck, 10, "no thread is left")
    client.close()


def newest(bus: redis.Redis, keys: Keys) -> CameraState:
    data = wait_until(lambda: bus.get(keys.camera("cam")), 15, "a state")
    assert isinstance(data, bytes)
    return CameraState.decode(data)


def live_for(bus: redis.Redis, keys: Keys, seconds: float) -> float:
    """Wait until the camera has been live for so long; the capture time of a frame of just now."""

    def long_enough() -> CameraState | None:
        now = newest(bus, keys)
        there = now.state == "live" and now.last_frame is not None and now.last_frame - now.since > seconds
        return now if there else None

    state = wait_until(long_enough, 40, f"live for {seconds} s")
    assert isinstance(state, CameraState)
    assert state.last_frame is not None
    return state.last_frame


@pytest.mark.usefixtures("streamer")
def test_an_alert_gets_its_picture_and_a_clip_that_plays(bus: redis.Redis, keys: Keys) -> None:
    captured = live_for(bus, keys, BEFORE_S + 2 * GOP_S)
    raise_alert(bus, keys, captured)
    picture = wait_until(lambda: part(bus, keys, "a", Picture), 20, "a picture")
    clip = wait_until(lambda: part(bus, keys, "a", Clip), 20, "a clip")
    assert isinstance(picture, Picture)
    assert isinstance(clip, Clip)
    assert picture.captured == captured
    assert clip.as_received
    assert captured - BEFORE_S - GOP_S - 0.1 < clip.started <= captured - BEFORE_S
    assert captured + AFTER_S - 0.1 < clip.ended <= captured + AFTER_S
    with av.open(io.BytesIO(clip.mp4)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert BEFORE_S + AFTER_S - 0.1 < (container.duration or 0) / av.time_base < BEFORE_S + AFTER_S + GOP_S + 0.2
        frames = list(container.decode(video=0))
    numbers = numbered.numbers(iter(frames))
    assert numbers == [(numbers[0] + index) % 250 for index in range(len(numbers))]  # every frame, none twice
    at = min(frames, key=lambda frame: abs(clip.started + (frame.time or 0) - captured))
    assert abs(numbers[frames.index(at)] - number_in(picture)) <= 1


@pytest.mark.usefixtures("streamer")
def test_a_camera_that_goes_away_leaves_what_there_was(bus: redis.Redis, keys: Keys, camera: RtspServer) -> None:
    captured = live_for(bus, keys, BEFORE_S)
    raise_alert(bus, keys, captured)
    wait_until(lambda: part(bus, keys, "a", Picture), 20, "a picture")
    camera.kill()
    clip = wait_until(lambda: part(bus, keys, "a", Clip), 20, "a clip of what there was")
    assert isinstance(clip, Clip)
    assert clip.started < captured - BEFORE_S / 2
    with av.open(io.BytesIO(clip.mp4)) as container:
        assert len(list(container.decode(video=0))) > BEFORE_S * 25 / 2
