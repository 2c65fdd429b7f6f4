from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import redis
import structlog
from structlog.testing import capture_logs

from streamer import config, models
from streamer.quarantine import Quarantine
from streamer.service import Streamer
from tests.support.proxy import proxied
from tests.support.servers import RtspServer, wait_until
from wire import bus as wire_bus
from wire.keys import FIELD, Keys
from wire.messages import CameraState, ServiceState, Window
from wire.settings import RedisSettings, Settings
from wire.shards import shard_of

HAAR = models.Choice("haar", None)


class Running:
    """A streamer in a thread."""

    def __init__(self, settings: Settings, home: str = "") -> None:
        taken = config.take(settings)
        taken = replace(taken, redis_url=home or taken.redis_url)
        self.bus = wire_bus.connect(taken.redis_url)
        self.streamer = Streamer(taken, self.bus, structlog.get_logger(), HAAR)
        self.thread = threading.Thread(target=self.streamer.run)
        self.thread.start()

    def end(self) -> None:
        self.streamer.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.bus.close()


@pytest.fixture
def start(redis_url: str) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def make(
        name: str,
        cameras: dict[str, object],
        redis: dict[str, object] | None = None,
        home: str = "",
        **streamer: object,
    ) -> Running:
        settings = Settings(
            cameras=cameras,  # type: ignore[arg-type]
            redis=redis or {"url": redis_url},  # type: ignore[arg-type]
            streamer={"name": name, "detector": "haar", "backoff_s": (0.2, 0.5), **streamer},  # type: ignore[arg-type]
        )
        running.append(Running(settings, home))
        return running[-1]

    yield make
    for one in running:
        if one.thread.is_alive():
            one.end()


def state(bus: redis.Redis, keys: Keys, name: str) -> CameraState | None:
    data = bus.get(keys.camera(name))
    return CameraState.decode(data) if data else None  # type: ignore[arg-type]


def reaches(bus: redis.Redis, keys: Keys, name: str, wanted: str, owner: str = "") -> CameraState:
    def there() -> CameraState | None:
        now = state(bus, keys, name)
        return now if now and now.state == wanted and owner in ("", now.owner) else None

    found = wait_until(there, 30, f"{name} is {wanted}")
    assert isinstance(found, CameraState)
    return found


def everything(bus: redis.Redis) -> bytes:
    """Every key and value in Redis."""
    found = b""
    for key in bus.scan_iter():
        kind = bus.type(key)
        read = {
            b"string": bus.get, b"hash": bus.hgetall, b"set": bus.smembers, b"stream": bus.xrange,
            b"none": lambda _: None,  # has just expired
        }[kind]  # fmt: skip
        found += key + repr(read(key)).encode()
    return found


def test_cameras_to_windows_in_redis_and_no_password_anywhere(
    start: Callable[..., Running],
    bus: redis.Redis,
    keys: Keys,
    face_clip: Path,
    rtsp_server: Callable[..., RtspServer],
    capfd: pytest.CaptureFixture[str],
) -> None:
    """One good camera, one with a wrong password, one that is no video: none harms another."""
    server = rtsp_server(face_clip, auth="digest")
    notes = face_clip.with_name("notes.mp4")
    notes.write_text("no video")
    with capture_logs() as lines:
        running = start(
            "me",
            {
                "good": {"url": server.url(login="alice:s3cret")},
                "wrong": {"url": server.url(login="alice:wr0ng")},
                "notes": {"url": str(notes)},
            },
        )
        reaches(bus, keys, "wrong", "unauthorised")
        reaches(bus, keys, "notes", "failed")
        live = reaches(bus, keys, "good", "live")
        assert (live.owner, live.detector, live.source) == ("me", "haar", f"rtsp://***@127.0.0.1:{server.port}/cam0")
        wait_until(lambda: bus.xlen(keys.windows) >= 1, 20, "a window in the stream")
        beat = ServiceState.decode(bus.get(keys.service("streamer", "me")))  # type: ignore[arg-type]
        assert (beat.role, beat.state) == ("streamer", "ready")
        assert "haar" in beat.detail
        assert "3 cameras" in beat.detail
        assert bus.smembers(keys.camera_names) == {b"good", b"wrong", b"notes"}
        assert bus.get(keys.lease("good")) == b"me"
        first = state(bus, keys, "good")
        wait_until(lambda: state(bus, keys, "good").updated > first.updated, 10, "a state every second")  # type: ignore[union-attr]
        assert bus.xlen(keys.cameras) >= 4
        window = Window.decode(bus.xrange(keys.windows)[0][1][FIELD])
        assert (window.camera, len(window.frames)) == ("good", 16)
        with bus.pipeline(transaction=True) as at_once:
            at_once.hget(keys.outcomes, "made")
            at_once.xlen(keys.windows)
            made, queued = at_once.execute()
        assert int(made) == queued
        stored = everything(bus)
        running.end()
    logged = repr(lines).encode() + "".join(capfd.readouterr()).encode()
    for secret in (b"s3cret", b"wr0ng", b"alice"):
        assert secret not in stored
        assert secret not in logged
    assert b"unauthorised" in logged
    assert bus.get(keys.lease("good")) is None
    assert bus.get(keys.service("streamer", "me")) is None


def test_a_frozen_camera_is_published_though_its_reader_is_blocked(
    start: Callable[..., Running],
    bus: redis.Redis,
    keys: Keys,
    face_clip: Path,
    rtsp_server: Callable[..., RtspServer],
) -> None:
    server = rtsp_server(face_clip)
    start("me", {"cam": {"url": server.url()}}, frozen_after_s=1.0)
    reaches(bus, keys, "cam", "live")
    server.freeze()
    frozen = reaches(bus, keys, "cam", "frozen")
    assert "no new picture" in frozen.error
    assert frozen.updated - (frozen.last_frame or 0) < 4.5  # the blocked read would end after five
    server.thaw()
    reaches(bus, keys, "cam", "live")


def test_two_streamers_share_and_the_survivor_takes_over(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys, plain_clip: Path
) -> None:
    cameras: dict[str, object] = {name: {"url": str(plain_clip), "loop": True} for name in "ab"}
    first = start("one", cameras)
    for name in "ab":
        reaches(bus, keys, name, "live", owner="one")
    second = start("two", cameras)
    wait_until(lambda: {bus.get(keys.lease(n)) for n in "ab"} == {b"one", b"two"}, 30, "one camera each")
    first.end()
    for name in "ab":
        reaches(bus, keys, name, "live", owner="two")
    second.end()


def test_cameras_taken_out_of_the_configuration_are_forgotten(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys, plain_clip: Path
) -> None:
    for name, owner in (("old", "me"), ("other", "somebody")):
        gone = CameraState(name=name, state="live", source="x", since=0.0, updated=0.0, owner=owner)
        bus.sadd(keys.camera_names, name)
        bus.set(keys.camera(name), gone.encode())
    start("me", {"new": {"url": str(plain_clip)}})
    wait_until(lambda: bus.smembers(keys.camera_names) == {b"new", b"other"}, 20, "old is forgotten")
    assert bus.get(keys.camera("old")) is None
    assert bus.get(keys.camera("other"))


def test_stale_windows_are_trimmed_though_no_camera_runs(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys
) -> None:
    bus.xadd(keys.windows, {FIELD: b"old"}, id="1000-0")
    start("me", {})
    wait_until(lambda: bus.xlen(keys.windows) == 0, 20, "the old window is dropped")
    assert bus.hget(keys.outcomes, "trimmed") == b"1"


def test_stale_windows_are_trimmed_though_something_else_fails(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys
) -> None:
    """A name that is none among the cameras': none of ours put it there."""
    bus.sadd(keys.camera_names, b"\xff")
    with capture_logs() as lines:
        start("me", {})
        wait_until(lambda: any("work on a shard failed" in line["event"] for line in lines), 20, "it fails")
        bus.xadd(keys.windows, {FIELD: b"old"}, id="1000-0")
        wait_until(lambda: bus.xlen(keys.windows) == 0, 20, "the old window is dropped")


def test_a_full_redis_is_relieved_of_stale_windows(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys, plain_clip: Path
) -> None:
    """Whose memory is full takes no lease and no score: only the trimming makes room, and counts what it drops."""
    bus.xadd(keys.windows, {FIELD: b"old"}, id="1000-0")
    bus.config_set("maxmemory", 1_000_000)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            bus.set("probe", "x")
        start("me", {"cam": {"url": str(plain_clip), "loop": True}})
        wait_until(lambda: bus.xlen(keys.windows) == 0, 20, "the old window is dropped")
        assert bus.hget(keys.outcomes, "trimmed") == b"1"
    finally:
        bus.config_set("maxmemory", 0)
    reaches(bus, keys, "cam", "live")


def test_cameras_are_known_again_after_redis_lost_its_data(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys, plain_clip: Path
) -> None:
    start("me", {"cam": {"url": str(plain_clip), "loop": True}})
    reaches(bus, keys, "cam", "live")
    bus.flushall()
    wait_until(lambda: bus.smembers(keys.camera_names) == {b"cam"}, 20, "it is known again")


def test_a_camera_that_crashed_the_last_process_is_kept_out_and_shown(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys, plain_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others run; so does it once its time is over."""
    monkeypatch.setenv("UNMASK_CRASHED", "bad")
    monkeypatch.setattr("streamer.quarantine.HOLDS_S", (600.0, 1200.0))
    cameras: dict[str, object] = {name: {"url": str(plain_clip), "loop": True} for name in ("bad", "good")}
    start("me", cameras)
    shown = reaches(bus, keys, "bad", "quarantined")
    assert "has brought the streamer down once; tried again at" in shown.error
    assert "update the camera" in shown.error
    assert (shown.last_frame, shown.faces, shown.owner) == (None, 0, "me")
    reaches(bus, keys, "good", "live")
    assert bus.get(keys.lease("bad")) == b"me"  # nobody else has to find out
    again = state(bus, keys, "bad")
    assert again
    assert again.state == "quarantined"
    monkeypatch.setattr("streamer.quarantine.HOLDS_S", (0.0, 1200.0))  # its time is over
    reaches(bus, keys, "bad", "live")


def test_one_that_crashes_another_streamer_is_let_go(
    start: Callable[..., Running], bus: redis.Redis, keys: Keys, plain_clip: Path
) -> None:
    start("me", {"bad": {"url": str(plain_clip), "loop": True}})
    reaches(bus, keys, "bad", "live")
    Quarantine(bus, keys).convict("bad", time.time())
    reaches(bus, keys, "bad", "quarantined")


def test_each_camera_is_told_of_in_its_shard(
    start: Callable[..., Running], redis_url: str, bus: redis.Redis, tmp_path: Path
) -> None:
    """Leases and signs of life are the home's."""
    notes = tmp_path / "notes.mp4"
    notes.write_text("no video")
    section = {"url": redis_url, "prefix": "{u}:", "shards": 2}
    shards = RedisSettings(**section).spaces(redis_url)
    start("me", {name: {"url": str(notes)} for name in ("attic", "notes")}, redis=section)
    assert {shard_of(name, 2) for name in ("attic", "notes")} == {0, 1}
    for name in ("attic", "notes"):
        keys = shards[shard_of(name, 2)].keys
        assert reaches(bus, keys, name, "failed").owner == "me"
        wait_until(lambda keys=keys, name=name: bus.smembers(keys.camera_names) == {name.encode()}, 20, "its name")
        assert bus.get(Keys("{u}:").lease(name)) == b"me"
    wait_until(lambda: bus.exists(Keys("{u}:").service("streamer", "me")), 20, "a sign of life")


def test_a_home_that_does_not_answer_holds_up_no_shard(
    start: Callable[..., Running], redis_url: str, bus: redis.Redis, tmp_path: Path
) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("no video")
    section = {"url": redis_url, "prefix": "{u}:", "shards": 2}
    keys = RedisSettings(**section).spaces(redis_url)[shard_of("notes", 2)].keys
    with proxied(urlsplit(redis_url).port or 0) as proxy:
        home = f"redis://127.0.0.1:{proxy.port}/0"
        running = start("me", {"notes": {"url": str(notes)}}, section, home, lease_s=1.0)
        before = reaches(bus, keys, "notes", "failed").updated
        proxy.stall()
        # For longer than its lease is known to last, too: nobody else tells of the camera.
        wait_until(lambda: state(bus, keys, "notes").updated > before + 3, 8, "its state is told every second")  # type: ignore[union-attr]
        proxy.flow()
        running.end()
    assert bus.get(Keys("{u}:").lease("notes")) is None


@pytest.mark.parametrize("shards", [1, 2])
def test_one_that_was_cut_off_sends_nothing_of_a_camera_that_another_has_by_now(
    start: Callable[..., Running],
    redis_url: str,
    bus: redis.Redis,
    face_clip: Path,
    rtsp_server: Callable[..., RtspServer],
    shards: int,
) -> None:
    """From all of Redis, it goes on looking at the picture, and its newest windows wait to be sent. From the home
    alone, where the leases are, it could send them, and ends."""
    section = {"url": redis_url, "prefix": "{u}:", "shards": shards}
    keys = RedisSettings(**section).spaces(redis_url)[shard_of("door", shards)].keys  # type: ignore[arg-type]
    assert (keys == Keys("{u}:")) == (shards == 1)

    def windows() -> list[Window]:
        return [Window.decode(fields[FIELD]) for _, fields in cast("list[Any]", bus.xrange(keys.windows))]

    cameras = {"door": {"url": rtsp_server(face_clip).url(), "analysis_fps": 12}}
    with proxied(urlsplit(redis_url).port or 0) as proxy:
        cut_off = start("one", cameras, section, f"redis://127.0.0.1:{proxy.port}/0", lease_s=1.0)
        wait_until(windows, 30, "its windows")
        proxy.stall()
        start("two", cameras, section, lease_s=1.0)
        reaches(bus, keys, "door", "live", "two")
        before = {window.epoch for window in windows()}
        wait_until(lambda: [w for w in windows() if w.epoch not in before][2:], 30, "the other's windows")
        taken = min(w.frames[0].captured for w in windows() if w.epoch not in before)
        if shards == 1:
            proxy.flow()
        wait_until(lambda: not cut_off.streamer._cameras, 20, "it lets go of the camera")
        proxy.flow()
        cut_off.end()
        assert state(bus, keys, "door").owner == "two"  # type: ignore[union-attr]
    late = [(w.epoch, w.captured - taken) for w in windows() if w.epoch in before and w.captured > taken]
    assert not late, "of two at a time"
