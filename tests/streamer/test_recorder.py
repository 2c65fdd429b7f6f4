from __future__ import annotations

from pathlib import Path

import pytest

from streamer.recorder import RAW
from streamer.ring import PacketRing
from tests.streamer.recorded import record
from tests.support import numbered


@pytest.mark.parametrize("kind", ["h264", "b-frames", "hevc", "mjpeg"])
def test_every_packet_is_kept_as_it_came_with_its_frames_time(tmp_path: Path, kind: str) -> None:
    path = numbered.write(tmp_path / "clip", kind)
    made = record(path)
    held = made.ring.since(0)
    assert [kept.data for kept in held] == [packet[0] for packet in numbered.packets(path)]
    assert sorted(kept.captured or 0 for kept in held) == made.times
    shown = sorted(held, key=lambda kept: (kept.pts or 0) * kept.stretch.time_base)
    assert [kept.captured for kept in shown] == made.times
    assert {kept.stretch.codec for kept in held} == {"h264" if kind == "b-frames" else kind}


def test_a_loop_goes_on_in_capture_time(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "h264", count=50), most=120, loop=True)
    held = made.ring.since(0)
    assert [kept.captured for kept in held][:120] == made.times
    assert len({id(kept.stretch) for kept in held}) == 3
    assert held[50].pts == 0


def test_a_new_connection_clears_the_ring(tmp_path: Path) -> None:
    ring = PacketRing(3600)
    record(numbered.write(tmp_path / "a", "h264", count=30), ring=ring)
    second = record(numbered.write(tmp_path / "b", "h264", count=20), ring=ring, start=2000)
    assert [kept.captured for kept in ring.since(0)] == second.times


def test_a_change_of_size_clears_what_was_before(resized_clip: Path) -> None:
    made = record(resized_clip)
    held = made.ring.since(0)
    assert len(held) == 100
    assert held[0].captured == made.times[100]
    assert all(kept.stretch.template is None for kept in held)


def test_raw_video_is_kept_as_pictures_of_what_is_analysed(tmp_path: Path) -> None:
    path = numbered.write(tmp_path / "clip", "raw", count=20)
    made = record(path)
    held = made.ring.since(0)
    assert [kept.captured for kept in held] == made.times
    assert {(kept.stretch.codec, kept.key) for kept in held} == {("mjpeg", True)}
    assert made.ring.size < sum(len(packet[0]) for packet in numbered.packets(path)) / 10
    assert "rawvideo" in RAW


def test_a_connection_takes_over_the_parameters_of_one_that_was_as_it_is(tmp_path: Path) -> None:
    ring = PacketRing(30)
    clip = numbered.write(tmp_path / "a", "h264", count=30)
    record(clip, ring=ring)
    first = held_by(ring)
    record(clip, ring=ring, start=2000)
    assert held_by(ring) is first is not None, "none is made, and none left behind, for each reconnection"
    record(numbered.write(tmp_path / "b", "h264", count=20, size=(480, 360)), ring=ring, start=4000)
    assert held_by(ring) is not first


def held_by(ring: PacketRing) -> object:
    """The parameters that a muxer would be given."""
    assert ring.stretch is not None
    return ring.stretch.template
