from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from structlog.testing import capture_logs

from streamer.evidence import EvidenceMaker, reach_s
from streamer.ring import SLACK_S
from tests.streamer.recorded import Recorded, evidence, record
from tests.support import numbered
from tests.support.servers import free_port, valkey, wait_until
from wire import evidence as wire_evidence
from wire.evidence import EvidenceStore
from wire.keys import FIELD, Keys
from wire.messages import Alert, AlertEvent, AlertEventName, Clip, Message, Picture
from wire.settings import AlertSettings

Start = Callable[..., EvidenceMaker]


def raise_alert(
    bus: redis.Redis,
    keys: Keys,
    captured: float,
    alert: str = "a",
    camera: str = "cam",
    track: str = "1-1",
    event: AlertEventName = "new",
) -> None:
    """What a worker writes when an alert opens."""
    EvidenceStore(keys, AlertSettings()).put(bus, evidence(captured, alert), time.time())
    one = Alert(
        id=alert, camera=camera, track=track, kind="sustained", severity="warning", started=captured, updated=captured,
        score=0.9, peak=0.9, mean=0.9, windows=3, threshold=0.5, model="m",
    )  # fmt: skip
    bus.xadd(keys.alerts, {FIELD: AlertEvent(event=event, at=time.time(), alert=one).encode()})


def part(bus: redis.Redis, keys: Keys, alert: str, kind: type[Message]) -> Any:
    parts: Any = bus.hgetall(keys.evidence(alert))
    return wire_evidence.read(parts, kind)


def number_in(picture: Picture) -> int:
    shown = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    return numbered.read(shown.astype(np.uint8, copy=False))


def reads(bus: redis.Redis) -> bool:
    """Whether somebody has begun to follow a stream."""
    statistics: Any = bus.info("commandstats")
    return "cmdstat_xread" in statistics


def impatient(port: int) -> redis.Redis:
    """A client that tries once, as a streamer's does."""
    client = redis.Redis(port=port)
    client.set_retry(Retry(NoBackoff(), 0))
    return client


@pytest.fixture
def made(tmp_path: Path) -> Recorded:
    """The last four seconds of a camera."""
    return record(numbered.write(tmp_path / "clip", "b-frames"), start=time.time() - 4)


@pytest.fixture
def start(bus: redis.Redis, keys: Keys, made: Recorded) -> Iterator[Start]:
    """Makes running EvidenceMakers that have the camera `cam`."""
    running: list[EvidenceMaker] = []

    def make(client: redis.Redis | None = None, **settings: object) -> EvidenceMaker:
        rings = {"cam": made.ring}
        one = EvidenceMaker(
            client or bus, keys, AlertSettings(**settings), rings.get, structlog.get_logger(), time.time  # type: ignore[arg-type]
        )  # fmt: skip
        running.append(one)
        one.start()
        wait_until(lambda: reads(client or bus), 20, "it reads")
        return one

    yield make
    for one in running:
        assert one.stop(20)


@pytest.fixture(autouse=True)
def _statistics_from_nought(bus: redis.Redis) -> None:
    bus.config_resetstat()


def test_a_new_alert_gets_its_picture_and_no_clip_unless_asked(
    start: Start, bus: redis.Redis, keys: Keys, made: Recorded
) -> None:
    start()
    raise_alert(bus, keys, made.times[63])
    found = wait_until(lambda: part(bus, keys, "a", Picture), 20, "a picture")
    assert isinstance(found, Picture)
    assert number_in(found) == 63
    assert (found.captured, found.box, found.frame_size) == (made.times[63], numbered.BOX, numbered.SIZE)
    assert part(bus, keys, "a", Clip) is None


def test_and_a_clip_if_asked(start: Start, bus: redis.Redis, keys: Keys, made: Recorded) -> None:
    start(evidence_clip=True, clip_before_s=1, clip_after_s=0.5)
    raise_alert(bus, keys, made.times[63])
    clip = wait_until(lambda: part(bus, keys, "a", Clip), 10, "a clip")
    assert isinstance(clip, Clip)
    assert part(bus, keys, "a", Picture)
    assert clip.started <= made.times[63] - 1 < clip.started + 1
    assert made.times[63] < clip.ended <= made.times[63] + 0.5
    assert clip.as_received


def test_only_new_alerts_of_faces_before_our_cameras(
    start: Start, bus: redis.Redis, keys: Keys, made: Recorded
) -> None:
    raise_alert(bus, keys, made.times[10], alert="before-we-came")
    start()
    raise_alert(bus, keys, made.times[20], alert="elsewhere", camera="other")
    raise_alert(bus, keys, made.times[30], alert="a-cameras", track="")
    raise_alert(bus, keys, made.times[40], alert="goes-on", event="update")
    bus.xadd(keys.alerts, {FIELD: b"garbage"})
    bus.xadd(keys.alerts, {b"x": b"y"})
    raise_alert(bus, keys, made.times[50], alert="last")
    wait_until(lambda: part(bus, keys, "last", Picture), 20, "the last one's picture")
    for alert in ("before-we-came", "elsewhere", "a-cameras", "goes-on"):
        assert part(bus, keys, alert, Picture) is None


def test_a_moment_that_is_gone_is_told_once(start: Start, bus: redis.Redis, keys: Keys, made: Recorded) -> None:
    with capture_logs() as lines:
        start()
        for alert in ("a", "b"):
            raise_alert(bus, keys, made.times[0] - 30, alert=alert)
        raise_alert(bus, keys, made.times[5], alert="c")
        wait_until(lambda: part(bus, keys, "c", Picture), 20, "a picture")
    told = [line for line in lines if line["event"] == "alert without a picture"]
    assert len(told) == 1
    assert "no longer held" in told[0]["reason"]
    assert part(bus, keys, "a", Picture) is None


def test_what_can_not_be_decoded_costs_one_picture(start: Start, bus: redis.Redis, keys: Keys, made: Recorded) -> None:
    packets = made.ring.since(0)
    healthy = packets[-1].stretch
    with capture_logs() as lines:
        start()
        for kept in packets[:25]:
            kept.stretch = type(healthy)("nonsense")
        raise_alert(bus, keys, made.times[3], alert="a")
        raise_alert(bus, keys, made.times[60], alert="b")
        wait_until(lambda: part(bus, keys, "b", Picture), 20, "the other's picture")
    assert [line["camera"] for line in lines if line["event"] == "alert without a picture"] == ["cam"]
    assert part(bus, keys, "a", Picture) is None


def test_an_alert_whose_evidence_is_gone(start: Start, bus: redis.Redis, keys: Keys, made: Recorded) -> None:
    start()
    with bus.pipeline(transaction=True) as pipe:
        raise_alert(pipe, keys, made.times[3], alert="a")
        pipe.delete(keys.evidence("a"))
        pipe.execute()
    raise_alert(bus, keys, made.times[4], alert="b")
    wait_until(lambda: part(bus, keys, "b", Picture), 20, "the next one's")
    assert not bus.exists(keys.evidence("a"))


def test_it_outlives_redis_and_takes_up_where_it_was(tmp_path: Path, keys: Keys, made: Recorded) -> None:
    port = free_port()
    with capture_logs() as lines:
        with valkey(tmp_path, port=port, aof=True):
            client = impatient(port)
            one = EvidenceMaker(
                client, keys, AlertSettings(), {"cam": made.ring}.get, structlog.get_logger(), time.time
            )
            one.start()
            wait_until(lambda: reads(client), 20, "it reads")
            raise_alert(client, keys, made.times[3], alert="a")
            wait_until(lambda: part(client, keys, "a", Picture), 20, "a picture")
        wait_until(lambda: lines, 20, "it is told that Redis is away")
    with valkey(tmp_path, port=port, aof=True):
        other = impatient(port)
        raise_alert(other, keys, made.times[4], alert="b")
        found = wait_until(lambda: part(other, keys, "b", Picture), 10, "a picture after the restart")
        assert isinstance(found, Picture)
        assert number_in(found) == 4
        assert one.stop(20)
        other.close()
        client.close()


def test_it_stops_at_once_though_redis_is_away(keys: Keys) -> None:
    client = impatient(free_port())
    one = EvidenceMaker(client, keys, AlertSettings(evidence_clip=True), {}.get, structlog.get_logger(), time.time)
    with capture_logs() as lines:
        one.start()
        wait_until(lambda: lines, 20, "it is told that Redis is away")
        assert one.stop(4)  # at once, and what a busy machine adds
    client.close()


def test_how_far_back_a_ring_reaches() -> None:
    assert reach_s(AlertSettings()) == SLACK_S
    assert reach_s(AlertSettings(evidence_clip=True, clip_before_s=3, clip_after_s=6)) == SLACK_S + 6
