from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
from msgspec.structs import replace
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from streamer.publish import CAMERAS_MAXLEN, PAUSE_S, PREVIEW_TTL_S, QUEUE, Publisher
from tests.support.servers import valkey, wait_until
from wire.keys import FIELD, GROUP, Keys
from wire.messages import CameraState, Frame, Quality, Window
from wire.settings import StreamerSettings
from wire.telemetry import Log

LIMITS = StreamerSettings(queue_max_mb=2)


def window(seq: int = 0, camera: str = "cam") -> Window:
    return Window(
        camera=camera, track="1-0", epoch=1, seq=seq, frame_size=(64, 48), enqueued=1.0,
        quality=Quality(face_px=50, sharpness=50, brightness=100), frames=(Frame(0, 1.0, (0, 0, 9, 9), b"jpeg"),),
    )  # fmt: skip


def state(updated: float = 1.0, name: str = "cam") -> CameraState:
    return CameraState(name=name, state="live", source="x", since=0.0, updated=updated)


@pytest.fixture
def publisher(bus: redis.Redis, keys: Keys, log: Log) -> Iterator[Publisher]:
    made = Publisher(bus, keys, LIMITS, log, time.monotonic)
    yield made
    made.stop(20)


def test_a_window_is_queued_and_counted(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    publisher.start()
    for seq in range(3):
        publisher.offer_window(window(seq))
    wait_until(lambda: publisher.sent == 3, 20, "three windows sent")  # counted once Redis has answered
    assert [Window.decode(fields[FIELD]).seq for _, fields in bus.xrange(keys.windows)] == [0, 1, 2]
    assert bus.hget(keys.outcomes, "made") == b"3"
    assert publisher.dropped == 0


def test_states_and_previews(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    publisher.start()
    publisher.offer_state(state())
    publisher.offer_preview("cam", b"jpeg")
    wait_until(lambda: bus.get(keys.preview("cam")), 20, "a preview")
    wait_until(lambda: bus.get(keys.camera("cam")), 20, "a state")
    assert CameraState.decode(bus.get(keys.camera("cam"))) == state()  # type: ignore[arg-type]
    ((_, fields),) = bus.xrange(keys.cameras)
    assert CameraState.decode(fields[FIELD]) == state()
    assert 0 < bus.ttl(keys.preview("cam")) <= PREVIEW_TTL_S  # type: ignore[operator]
    assert bus.ttl(keys.camera("cam")) == -1


def test_a_state_never_gives_way_to_an_older_one(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    publisher.offer_state(state(2.0))
    publisher.offer_state(state(1.0))
    publisher.start()
    publisher.stop(20)
    assert CameraState.decode(bus.get(keys.camera("cam"))).updated == 2.0  # type: ignore[arg-type]


def test_the_stream_of_states_is_capped(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    for index in range(CAMERAS_MAXLEN + 500):
        bus.xadd(keys.cameras, {FIELD: index})
    publisher.offer_state(state())
    publisher.start()
    publisher.stop(20)
    assert bus.xlen(keys.cameras) <= CAMERAS_MAXLEN + 100


def test_a_full_queue_drops_that_cameras_oldest_only(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    for seq in range(QUEUE + 5):
        publisher.offer_window(window(seq, "busy"))
    publisher.offer_window(window(0, "calm"))
    assert publisher.dropped == 5
    publisher.start()
    publisher.stop(20)
    sent = [Window.decode(fields[FIELD]) for _, fields in bus.xrange(keys.windows)]
    assert [w.seq for w in sent if w.camera == "busy"] == list(range(5, QUEUE + 5))
    assert [w.camera for w in sent[:2]] == ["busy", "calm"]  # in turn


class Doubtful:
    """Some cameras are ours, some another's, and of some nobody knows until "another" tells their state."""

    def __init__(self, **ours: bool | None) -> None:
        self._ours, self.asked, self.meanwhile = ours, list[str](), list[Callable[[], object]]()

    def ours(self, camera: str) -> bool | None:
        return self._ours[camera]

    def keeps(self, camera: str, state: CameraState | None) -> bool:
        self.asked.append(camera)
        for act in self.meanwhile:
            act()
        self.meanwhile.clear()
        return state is None or state.owner != "another"


def test_in_doubt_a_camera_is_whose_state_is_told(bus: redis.Redis, keys: Keys, log: Log) -> None:
    """All that is another's is dropped, not its windows alone, and the rest goes out."""
    told = {name: replace(state(1.0, name), owner=owner) for name, owner in (("kept", "me"), ("lost", "another"))}
    for name, one in told.items():
        bus.set(keys.camera(name), one.encode())
    whose = Doubtful(mine=True, theirs=False, kept=None, lost=None, new=None)
    publisher = Publisher(bus, keys, LIMITS, log, time.monotonic, whose)
    for name in ("mine", "theirs", "kept", "lost", "new"):
        publisher.offer_window(window(0, name))
        publisher.offer_state(state(2.0, name))
        publisher.offer_preview(name, b"jpeg")
    publisher.start()
    publisher.stop(20)
    assert {Window.decode(fields[FIELD]).camera for _, fields in bus.xrange(keys.windows)} == {"mine", "kept", "new"}
    assert bus.get(keys.camera("lost")) == told["lost"].encode()
    assert {name for name in whose._ours if bus.exists(keys.preview(name))} == {"mine", "kept", "new"}
    assert bus.get(keys.camera("theirs")) is None
    assert (publisher.sent, publisher.dropped, bus.hget(keys.outcomes, "made")) == (3, 2, b"3")
    assert set(whose.asked) == {"kept", "lost", "new"}, "of what is known Redis is not asked"


def test_a_state_that_another_tells_while_we_look_is_seen(bus: redis.Redis, keys: Keys, log: Log) -> None:
    whose = Doubtful(cam=None)
    whose.meanwhile.append(lambda: bus.set(keys.camera("cam"), replace(state(), owner="another").encode()))
    publisher = Publisher(bus, keys, LIMITS, log, time.monotonic, whose)
    publisher.offer_window(window())
    publisher.start()
    publisher.stop(20)
    assert (publisher.sent, publisher.dropped, bus.xlen(keys.windows)) == (0, 1, 0)
    assert whose.asked == ["cam", "cam"]


def test_what_can_not_be_encoded_costs_itself_and_not_what_comes_after(
    publisher: Publisher, bus: redis.Redis, keys: Keys
) -> None:
    """As memory does that is not to be had: it is no error of Redis."""
    publisher.start()
    publisher.offer_state(CameraState(name="odd", state="failed", source="x", error="\udcfc", since=0.0, updated=1.0))
    wait_until(lambda: not publisher._states, 20, "it is taken")
    publisher.offer_window(window())
    wait_until(lambda: publisher.sent + publisher.dropped == 1, 20, "a window sent after it")
    assert publisher.sent == bus.xlen(keys.windows) == 1


def test_old_windows_are_trimmed_exactly_and_counted(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    seconds, micros = bus.time()  # type: ignore[misc]
    now = seconds * 1000 + micros // 1000
    for age in (60_000, 31_000, 29_000, 0):
        bus.xadd(keys.windows, {FIELD: b"w"}, id=f"{now - age}-0")
    assert publisher.trim() == 2
    assert bus.xlen(keys.windows) == 2
    assert bus.hget(keys.outcomes, "trimmed") == b"2"
    assert publisher.trim() == 0
    assert bus.hget(keys.outcomes, "trimmed") == b"2"


def big(bus: redis.Redis, keys: Keys, count: int) -> None:
    for _ in range(count):
        bus.xadd(keys.windows, {FIELD: b"w" * 100_000})


def test_a_queue_that_nobody_reads_is_bounded_by_its_size(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    big(bus, keys, 50)
    newest = bus.xrevrange(keys.windows, count=1)
    dropped = publisher.trim()
    left = bus.xlen(keys.windows)
    assert dropped + left == 50
    assert 16 <= left <= 20
    assert bus.hget(keys.outcomes, "trimmed") == str(dropped).encode()
    assert bus.xrevrange(keys.windows, count=1) == newest, "the oldest went"
    assert publisher.trim() == 0


def test_what_a_worker_holds_is_left_to_it(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    big(bus, keys, 50)
    bus.xgroup_create(keys.windows, GROUP, "0")
    held = [id for id, _ in bus.xreadgroup(GROUP, "a", {keys.windows: ">"}, count=10)[0][1]]  # type: ignore[index]
    dropped = publisher.trim()
    assert [id for id, _ in bus.xrange(keys.windows, count=10)] == held
    assert 26 <= bus.xlen(keys.windows) <= 30, "ten are held, and 2 MB may wait"
    assert dropped == 50 - bus.xlen(keys.windows)
    bus.xack(keys.windows, GROUP, *held)
    bus.xdel(keys.windows, *held)
    assert publisher.trim() == 0


def test_publishing_trims(publisher: Publisher, bus: redis.Redis, keys: Keys) -> None:
    big(bus, keys, 50)
    publisher.offer_window(window())
    publisher.start()
    publisher.stop(20)
    assert publisher.dropped == 0
    assert bus.xlen(keys.windows) <= 21
    assert bus.hget(keys.outcomes, "trimmed") == str(51 - bus.xlen(keys.windows)).encode()


def test_an_outage_drops_counts_and_passes(tmp_path: Path, keys: Keys) -> None:
    """Redis goes away and comes back: the caller never waits, one line a second is logged, and windows flow again."""
    with capture_logs() as lines, valkey(tmp_path) as (url, process):
        bus = redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0))
        publisher = Publisher(bus, keys, LIMITS, structlog.get_logger(), time.monotonic)
        publisher.start()
        port = int(url.rsplit(":", 1)[1].split("/")[0])
        process.kill()
        process.wait()
        began = time.monotonic()
        for seq in range(100):
            publisher.offer_window(window(seq))
        assert time.monotonic() - began < 2
        wait_until(lambda: publisher.dropped >= 80, 10, "windows dropped")
        wait_until(lambda: publisher.dropped == 100, 10, "all windows dropped")
        with valkey(tmp_path, port=port):
            offer_until(publisher, lambda: bus.xlen(keys.windows) >= 1)
            wait_until(lambda: publisher.sent >= 1, 10, "counted")  # once Redis has answered
            publisher.stop(20)
            bus.close()
        elapsed = time.monotonic() - began
    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert 1 <= len(warnings) <= elapsed + 1


class Failing(redis.Redis):
    """Fails so often before anything is sent, and counts."""

    failures, asked = 0, 0

    def pipeline(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        if self.asked <= self.failures:
            raise redis.ConnectionError("refused")
        return super().pipeline(*args, **kwargs)


def failing(url: str, failures: int) -> Failing:
    made = Failing.from_url(url)
    assert isinstance(made, Failing)
    made.failures = failures
    return made


def test_stopping_while_redis_fails_costs_no_processor_time_and_ends(redis_url: str, keys: Keys, log: Log) -> None:
    with failing(redis_url, 10**9) as client:
        publisher = Publisher(client, keys, LIMITS, log, time.monotonic)
        publisher.start()
        publisher.remove("cam")
        began = time.monotonic()
        publisher.stop(2 * PAUSE_S)
        publisher._thread.join(10)
        assert not publisher._thread.is_alive(), "it gives up when its time is over"
        assert client.asked <= 2 + (time.monotonic() - began) / PAUSE_S, "and waits between two tries"


def test_what_is_to_be_removed_is_tried_again_while_it_stops(
    redis_url: str, bus: redis.Redis, keys: Keys, log: Log
) -> None:
    bus.sadd(keys.camera_names, "cam")
    with failing(redis_url, 2) as client:
        publisher = Publisher(client, keys, LIMITS, log, time.monotonic)
        publisher.remove("cam")
        publisher.start()
        publisher.stop(20)
    assert not bus.exists(keys.camera_names)


def offer_until(publisher: Publisher, condition: Callable[[], bool]) -> None:
    seq = 1000
    pause = threading.Event()
    for _ in range(400):
        publisher.offer_window(window(seq := seq + 1))
        if pause.wait(0.05) or condition():
            return
    pytest.fail("nothing was sent after Redis came back")
