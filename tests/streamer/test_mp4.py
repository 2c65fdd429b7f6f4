from __future__ import annotations

import io
import itertools
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from streamer import mp4
from streamer.ring import Kept, Stretch
from tests.streamer.recorded import record
from tests.support import numbered


def never() -> bool:
    return False


class Opened:
    """What is in an MP4."""

    def __init__(self, data: bytes) -> None:
        assert 0 < data.find(b"moov") < data.find(b"mdat")  # a browser can begin to play at once
        with av.open(io.BytesIO(data)) as container:
            stream = container.streams.video[0]
            self.codec, self.format = stream.codec_context.name, stream.codec_context.pix_fmt
            self.size = stream.codec_context.width, stream.codec_context.height
            self.duration = (container.duration or 0) / av.time_base
            self.packets: list[Any] = [bytes(packet) for packet in container.demux(stream) if packet.size]
        with av.open(io.BytesIO(data)) as container:
            frames = list(container.decode(video=0))
            self.times = [float(frame.time or 0) for frame in frames]
            self.numbers = numbered.numbers(iter(frames))


@pytest.mark.parametrize("kind", ["h264", "b-frames"])
def test_h264_is_copied_bit_for_bit(tmp_path: Path, kind: str) -> None:
    path = numbered.write(tmp_path / "clip", kind)
    made = record(path)
    clip = mp4.make(made.ring.since(0), never)
    assert clip is not None
    shown = Opened(clip.mp4)
    assert clip.as_received
    assert shown.packets == [packet[0] for packet in numbered.packets(path)]
    assert (shown.codec, shown.numbers) == ("h264", made.numbers)
    assert [time - shown.times[0] for time in shown.times] == pytest.approx([i / 25 for i in range(100)], abs=1e-4)
    assert (clip.started, clip.ended) == (made.times[0], made.times[-1])
    assert shown.duration == pytest.approx(4, abs=0.1)


def test_a_part_begins_at_nought(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "h264"))
    clip = mp4.make(made.ring.since(made.times[30])[:40], never)
    assert clip is not None
    shown = Opened(clip.mp4)
    assert shown.numbers == list(range(25, 65))
    assert (shown.times[0], shown.duration) == (0, pytest.approx(1.6, abs=0.01))
    assert clip.started == made.times[25]


def test_a_raw_stream_with_start_codes_keeps_its_slices(tmp_path: Path) -> None:
    path = numbered.annexb(numbered.write(tmp_path / "clip", "h264"))
    made = record(path)
    clip = mp4.make(made.ring.since(0), never)
    assert clip is not None
    assert clip.as_received
    shown = Opened(clip.mp4)
    assert shown.numbers == made.numbers
    ours = [unit for packet in shown.packets for unit in numbered.units(packet, prefixed=True)]
    theirs = [unit for packet in numbered.packets(path) for unit in numbered.units(packet[0], prefixed=False)]
    assert ours == theirs
    assert len(ours) >= 100


def test_over_the_seam_of_a_loop(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "b-frames", count=60), most=150, loop=True)
    packets = [kept for kept in made.ring.since(0) if kept.captured is not None]
    clip = mp4.make(packets, never)
    assert clip is not None
    assert clip.as_received
    shown = Opened(clip.mp4)
    assert shown.numbers == made.numbers
    steps = [b - a for a, b in itertools.pairwise(shown.times)]
    assert steps == pytest.approx([0.04] * len(steps), abs=1e-3)


@pytest.mark.parametrize("kind", ["hevc", "mjpeg", "raw"])
def test_anything_else_is_encoded_and_keeps_its_times(tmp_path: Path, kind: str) -> None:
    made = record(numbered.write(tmp_path / "clip", kind, count=60))
    packets = made.ring.since(0)
    for kept in packets:  # an uneven camera: a second's pause in the middle
        assert kept.captured is not None
        kept.captured += kept.captured > made.times[29]
    clip = mp4.make(packets, never)
    assert clip is not None
    assert not clip.as_received
    shown = Opened(clip.mp4)
    assert (shown.codec, shown.format, shown.size) == ("h264", "yuv420p", numbered.SIZE)
    assert shown.numbers == list(range(60))
    assert shown.times == pytest.approx([i / 25 + (i > 29) for i in range(60)], abs=1e-3)
    assert clip.ended - clip.started == pytest.approx(59 / 25 + 1)


def test_turned_or_cut_video_is_encoded_upright(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "h264", count=10), crop=(0, 0, 301, 199))
    clip = mp4.make(made.ring.since(0), never)
    assert clip is not None
    assert not clip.as_received
    shown = Opened(clip.mp4)
    assert shown.size == (300, 198)
    assert shown.numbers == list(range(10))


def test_a_change_of_size_within_the_clip(tmp_path: Path) -> None:
    """A reconnect at another size: one picture size, all frames, the gap as long as it was."""
    first = record(numbered.write(tmp_path / "a", "h264", count=25))
    second = record(numbered.write(tmp_path / "b", "h264", count=25, first=25, size=(480, 360)), start=1003.0)
    clip = mp4.make([*first.ring.since(0), *second.ring.since(0)], never)
    assert clip is not None
    assert not clip.as_received
    shown = Opened(clip.mp4)
    assert shown.size == numbered.SIZE
    assert len(shown.numbers) == 50
    assert shown.times[25] == pytest.approx(3.0, abs=1e-3)


def test_what_is_too_large_to_copy_is_encoded_and_fits(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "h264"))
    packets = made.ring.since(0)
    most = sum(len(kept.data) for kept in packets)
    clip = mp4.make(packets, never, most)
    assert clip is not None
    assert not clip.as_received
    assert len(clip.mp4) <= most
    assert Opened(clip.mp4).numbers == made.numbers
    assert mp4.make(packets, never, 1000) is None


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    made = record(numbered.write(tmp_path / "clip", "mjpeg", count=2, size=(2560, 1440)))
    clip = mp4.make(made.ring.since(0), never)
    assert clip is not None
    assert Opened(clip.mp4).size == (1920, 1080)


def test_nothing_to_show_and_no_time_to_show_it(tmp_path: Path) -> None:
    assert mp4.make([], never) is None
    made = record(numbered.write(tmp_path / "clip", "mjpeg", count=10))
    with pytest.raises(mp4.Stopped):
        mp4.make(made.ring.since(0), lambda: True)


def kept(dts: float | None, captured: float | None, pts: float | None = None, stretch: Stretch | None = None) -> Kept:
    pts = dts if pts is None else pts
    ticks = [None if time is None else round(time * 1000) for time in (pts, dts)]
    return Kept(0, stretch or MILLI, b"", ticks[0], ticks[1], True, captured)


MILLI = Stretch("h264", Fraction(1, 1000))


def seconds(packets: list[Kept]) -> tuple[list[float], list[float]]:
    """Presentation and decoding times."""
    pts, dts = zip(*mp4.timeline(packets), strict=True)
    return [tick / mp4.TICKS for tick in pts], [tick / mp4.TICKS for tick in dts]


def test_a_timeline_is_the_packets_own() -> None:
    packets = [kept(5.0, 100.0, 5.1), kept(5.04, 100.4, 5.3), kept(5.08, None, 5.2)]
    pts, dts = seconds(packets)
    assert pts == pytest.approx([0.1, 0.3, 0.2])
    assert dts == pytest.approx([0, 0.04, 0.08])


def test_where_timestamps_break_off_it_goes_on_by_the_clock() -> None:
    again = Stretch("h264", Fraction(1, 1000))
    packets = [kept(50.0, 100.0), kept(50.5, 100.5), kept(0.0, 102.0, stretch=again), kept(0.5, 102.5, stretch=again)]
    pts, dts = seconds(packets)
    assert pts == dts == pytest.approx([0, 0.5, 2, 2.5])
    renumbered = [kept(50.0, 100.0), kept(9000.0, 100.5), kept(9000.5, 101.0), kept(3.0, None), kept(3.5, None)]
    assert seconds(renumbered)[1] == pytest.approx([0, 0.5, 1.0, 1.04, 1.54])


def test_without_timestamps_it_is_the_clocks() -> None:
    packets = [kept(None, 100.0), kept(None, 100.25), kept(None, None), kept(None, 101.0)]
    assert seconds(packets)[1] == pytest.approx([0, 0.25, 0.29, 1.0])


def test_it_never_stands_still() -> None:
    made = mp4.timeline([kept(1.0, 100.0), kept(1.0, 100.0), kept(0.999, 100.0)])
    assert all(b[1] > a[1] for a, b in itertools.pairwise(made))
    assert all(pts >= dts for pts, dts in made)
