from __future__ import annotations

from pathlib import Path

import pytest

from streamer import playback
from tests.streamer.recorded import record
from tests.support import numbered


@pytest.mark.parametrize("kind", numbered.CODECS)
def test_any_moment_gives_the_frame_that_was_seen_then(tmp_path: Path, kind: str) -> None:
    made = record(numbered.write(tmp_path / "clip", kind), most=220, loop=True)
    for index in range(0, 220, 9):
        found = playback.last(made.ring.moment(made.times[index], 0.0))
        assert found is not None
        assert numbered.read(found) == made.numbers[index] == index % 100


@pytest.mark.parametrize("kind", ["b-frames", "hevc"])
def test_all_frames_come_out_each_with_its_packet(tmp_path: Path, kind: str) -> None:
    made = record(numbered.write(tmp_path / "clip", kind), most=150, loop=True)
    packets = [kept for kept in made.ring.since(0) if kept.captured is not None]
    shown = list(playback.decode(packets))
    assert [kept.captured for kept, _ in shown] == made.times
    assert numbered.numbers(frame for _, frame in shown) == made.numbers


def test_damage_costs_what_was_damaged(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "mjpeg", count=10))
    packets = made.ring.since(0)
    packets[4].data = b"\0" * 100
    shown = [kept for kept, _ in playback.decode(packets)]
    assert shown == [*packets[:4], *packets[5:]]
    assert playback.last(packets[:5]) is None


def test_a_codec_nobody_knows(tmp_path: Path) -> None:
    packets = record(numbered.write(tmp_path / "clip", "mjpeg", count=1)).ring.since(0)
    packets[0].stretch.codec = "nonsense"
    with pytest.raises(ValueError, match="nonsense"):
        playback.last(packets)
