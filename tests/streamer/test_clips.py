from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from streamer import clips, mp4
from streamer.clips import ClipMaker
from streamer.mp4 import Made
from streamer.ring import Kept as Packet
from streamer.ring import PacketRing
from tests.streamer.recorded import Recorded, record
from tests.support import numbered
from tests.support.servers import wait_until
from wire.messages import Clip
from wire.settings import AlertSettings
from wire.telemetry import Log

SETTINGS = AlertSettings(evidence_clip=True, clip_before_s=1, clip_after_s=1)


@pytest.fixture
def made(tmp_path: Path) -> Recorded:
    """Four seconds in a ring, from 1000.0 on."""
    return record(numbered.write(tmp_path / "clip", "h264"))


class Kept:
    """Keeps clips; fails the first time if told to."""

    def __init__(self) -> None:
        self.clips: list[Clip] = []
        self.failures = 0

    def __call__(self, part: Clip) -> None:
        if self.failures:
            self.failures -= 1
            raise redis.ConnectionError("away")
        self.clips.append(part)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def maker(kept: Kept, log: Log) -> Iterator[ClipMaker]:
    """Its clock stands at 1002.5."""
    one = ClipMaker(kept, log, lambda: 1002.5)
    one.start()
    yield one
    assert one.stop(20)


def test_a_clip_spans_what_was_asked_from_the_key_frame_before(made: Recorded, maker: ClipMaker, kept: Kept) -> None:
    maker.offer(clips.job("a", "cam", 1002.2, made.ring, SETTINGS))
    maker.collect()
    wait_until(lambda: kept.clips, 10, "a clip")
    clip = kept.clips[0]
    assert (clip.alert, clip.codec, clip.as_received) == ("a", "h264", True)
    assert (clip.started, clip.ended) == (pytest.approx(1001.0), pytest.approx(1003.2))


def test_it_is_due_when_its_video_is_there_or_will_not_come(made: Recorded) -> None:
    assert clips.job("a", "cam", 1002.9, made.ring, SETTINGS).due(0)
    late = clips.job("a", "cam", 1003.0, made.ring, SETTINGS)
    assert not late.due(1004.0)
    assert late.due(1004.0 + clips.LATE_S)
    assert late.due(1003.0 - 3600), "the clock was set back: it would be in hand for an hour"


def test_what_came_before_is_held_though_the_ring_lets_it_go(tmp_path: Path) -> None:
    ring = PacketRing(1.0)
    record(numbered.write(tmp_path / "a", "h264", count=50), ring=ring)
    job = clips.job("a", "cam", 1001.5, ring, AlertSettings(clip_before_s=1, clip_after_s=8))
    begun = [packet.captured for packet in job.held]
    assert begun[0] == pytest.approx(1000)
    record(numbered.write(tmp_path / "b", "h264", count=100), ring=ring, start=1004.0)  # a reconnect
    packets = job.packets()
    assert [packet.captured for packet in packets][: len(begun)] == begun
    assert packets[len(begun)].key
    assert packets[-1].captured == pytest.approx(1004 + 99 / 25)
    numbers = [packet.number for packet in packets]
    assert numbers == sorted(set(numbers))


def test_a_camera_that_is_gone_leaves_what_there_was(made: Recorded) -> None:
    job = clips.job("a", "cam", 1003.5, made.ring, SETTINGS)
    made.ring.clear()
    assert [packet.captured for packet in job.packets()] == made.times[50:]
    assert clips.job("b", "cam", 1003.5, made.ring, SETTINGS).packets() == []


def test_no_more_than_so_many_at_once(made: Recorded, kept: Kept, log: Log) -> None:
    maker = ClipMaker(kept, log, lambda: 1002.5)  # not started: nothing gets done
    for number in range(clips.MOST + 2):
        maker.offer(clips.job(str(number), "cam", 1002.0, made.ring, SETTINGS))
        maker.collect()
    assert maker.skipped == 2
    maker.start()
    wait_until(lambda: len(kept.clips) == clips.MOST, 10, "those that were taken")
    maker.offer(clips.job("later", "cam", 1002.0, made.ring, SETTINGS))
    maker.collect()
    wait_until(lambda: len(kept.clips) == clips.MOST + 1, 10, "room again")
    assert maker.stop(20)


def test_a_failure_costs_one_clip_and_is_told(made: Recorded, kept: Kept) -> None:
    import structlog

    with capture_logs() as lines:
        maker = ClipMaker(kept, structlog.get_logger(), lambda: 1002.5)
        kept.failures = 1
        maker.start()
        for alert in "ab":
            maker.offer(clips.job(alert, "cam", 1002.0, made.ring, SETTINGS))
        maker.collect()
        wait_until(lambda: kept.clips, 10, "the second clip")
        assert maker.stop(20)
    assert [clip.alert for clip in kept.clips] == ["b"]
    assert [(line["event"], line["reason"]) for line in lines] == [("alert without a clip", "ConnectionError")]


def test_a_stop_gives_up_what_is_in_hand(tmp_path: Path, kept: Kept, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is a clip that the encoder has just begun."""
    begun, make = threading.Event(), mp4.make

    def told(packets: Sequence[Packet], stopped: Callable[[], bool]) -> Made | None:
        begun.set()
        return make(packets, stopped)

    monkeypatch.setattr(mp4, "make", told)
    long = record(numbered.write(tmp_path / "clip", "mjpeg", count=100, size=(1920, 1080)))
    maker = ClipMaker(kept, log, lambda: 1e9)
    maker.start()
    maker.offer(clips.job("a", "cam", 1002.0, long.ring, AlertSettings(clip_before_s=4, clip_after_s=4)))
    maker.collect()
    assert begun.wait(20)
    assert maker.stop(20)
    assert kept.clips == []


def test_its_thread_gives_way() -> None:
    import os
    import sys

    nice: list[int] = []

    def look() -> None:
        clips.lower_priority()
        nice.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    if sys.platform == "linux":
        assert nice == [max(clips.NICE, before)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
