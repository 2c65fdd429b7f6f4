from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.crops import Measure
from streamer.sampling import Sample, Sampler
from streamer.windows import Crop, WindowBuilder
from wire.messages import Frame, Window

SIZE = (640, 480)
STEP = 1 / 6
GAP = 2 * STEP + 1e-3


def sample(index: int, epoch: int = 5, captured: float | None = None) -> Sample:
    return Sample(epoch, index, index * STEP if captured is None else captured, SIZE)


def crop(at: Sample, track: str = "5-0", detected: bool = True) -> Crop:
    frame = Frame(at.index, at.captured, (1, 2, 30, 40), b"jpeg%d" % at.index)
    return Crop(track, frame, Measure(40.0, 20.0, 100.0, None), detected)


def build(builder: WindowBuilder, indices: range, **options: object) -> list[Window]:
    made = []
    for index in indices:
        at = sample(index)
        made += builder.add(at, [crop(at, **options)], now=99.0)  # type: ignore[arg-type]
    return made


def test_the_first_window_after_t_crops_and_then_one_every_s() -> None:
    windows = build(WindowBuilder("cam", 16, 4, GAP), range(40))
    assert [w.frames[-1].index for w in windows] == [15, 19, 23, 27, 31, 35, 39]
    assert [w.seq for w in windows] == list(range(7))
    assert all(len(w.frames) == 16 for w in windows)


def test_what_a_window_carries() -> None:
    window = build(WindowBuilder("cam", 3, 1, GAP), range(3))[0]
    assert (window.id, window.camera, window.track, window.epoch) == ("cam/5-0/0", "cam", "5-0", 5)
    assert (window.frame_size, window.enqueued, window.captured) == (SIZE, 99.0, 2 * STEP)
    assert [frame.jpeg for frame in window.frames] == [b"jpeg0", b"jpeg1", b"jpeg2"]
    assert window.quality.face_px == 40
    assert Window.decode(window.encode()) == window


def test_overlapping_windows_share_identical_frames() -> None:
    first, second = build(WindowBuilder("cam", 16, 4, GAP), range(20))
    assert first.frames[4:] == second.frames[:12]


def test_tracks_do_not_mix() -> None:
    builder = WindowBuilder("cam", 3, 1, GAP)
    made = []
    for index in range(4):
        at = sample(index)
        made += builder.add(at, [crop(at, "5-0"), crop(at, "5-1")], 0)
    assert [w.id for w in made] == ["cam/5-0/0", "cam/5-1/0", "cam/5-0/1", "cam/5-1/1"]


def test_a_miss_counts_once_the_face_is_back() -> None:
    builder = WindowBuilder("cam", 3, 1, GAP)
    assert build(builder, range(2)) == []
    at = sample(2)
    assert builder.add(at, [crop(at, detected=False)], 0) == []
    made = builder.add(sample(3), [crop(sample(3))], 0)
    assert [[f.index for f in w.frames] for w in made] == [[0, 1, 2], [1, 2, 3]]


def test_a_miss_at_the_end_is_thrown_away() -> None:
    builder = WindowBuilder("cam", 3, 1, GAP)
    build(builder, range(2))
    builder.add(sample(2), [crop(sample(2), detected=False)], 0)
    assert builder.add(sample(3), [], 0) == []
    assert build(builder, range(4, 6)) == []  # the track is over; the same name would start anew


def test_an_epoch_starts_with_nothing() -> None:
    builder = WindowBuilder("cam", 3, 1, GAP)
    assert [w.seq for w in build(builder, range(4))] == [0, 1]
    made = []
    for index in range(3):
        at = sample(index, epoch=6, captured=(4 + index) * STEP)
        made += builder.add(at, [crop(at, "5-0")], 0)
    assert [(w.epoch, w.seq, len(w.frames)) for w in made] == [(6, 0, 3)]


@pytest.mark.parametrize("broken", [Sample(5, 3, 2 * STEP, SIZE), Sample(5, 2, 60.0, SIZE)])
def test_a_hole_in_index_or_time_clears_the_line(broken: Sample) -> None:
    builder = WindowBuilder("cam", 3, 1, GAP)
    build(builder, range(2))
    assert builder.add(broken, [crop(broken)], 0) == []


@given(
    steps=st.lists(st.tuples(st.floats(0.0, 0.6), st.sampled_from("....-x|")), max_size=120),
    frames=st.integers(2, 8),
    stride=st.integers(1, 8),
)
def test_no_window_spans_a_gap(steps: list[tuple[float, str]], frames: int, stride: int) -> None:
    """Through the real sampler: '-' a miss, 'x' nobody there, '|' a reconnect."""
    sampler = Sampler(6)
    builder = WindowBuilder("cam", frames, stride, sampler.max_gap)
    now, windows, missed = 100.0, [], False
    there: dict[int, set[int]] = {}
    for step, event in steps:
        now += step
        if event == "|":
            sampler.interrupt()
        at = sampler.take(now, SIZE)
        if at is None:
            continue
        miss = event == "-" and not missed and bool(there.get(at.epoch))
        missed = miss
        if event != "x":
            there.setdefault(at.epoch, set()).add(at.index)
            windows += builder.add(at, [crop(at, f"{at.epoch}-0", detected=not miss)], now)
        else:
            builder.add(at, [], now)
    assert len({(w.track, w.frames[0].index) for w in windows}) == len(windows)
    for window in windows:
        assert len(window.frames) == frames
        assert {f.index for f in window.frames} <= there[window.epoch]
        for a, b in itertools.pairwise(window.frames):
            assert b.index == a.index + 1
            assert b.captured - a.captured <= sampler.max_gap


def short_builder() -> WindowBuilder:
    return WindowBuilder("cam", 4, 2, GAP, short=True)


def test_a_file_that_ends_early_gives_one_short_window() -> None:
    builder = short_builder()
    assert build(builder, range(3)) == []
    (window,) = builder.finish(now=7.0)
    assert [frame.index for frame in window.frames] == [0, 1, 2]
    assert (window.id, window.epoch, window.frame_size, window.enqueued) == ("cam/5-0/0", 5, SIZE, 7.0)
    assert builder.finish(now=8.0) == []


def test_a_track_that_filled_a_window_gives_no_short_one() -> None:
    builder = short_builder()
    assert len(build(builder, range(5))) == 1
    assert builder.finish(now=0) == []


def test_a_track_that_ends_inside_a_file_gives_its_short_window_then() -> None:
    builder = short_builder()
    build(builder, range(2))
    at = sample(2)
    (window,) = builder.add(at, [crop(at, "5-1")], now=0)
    assert (window.track, len(window.frames)) == ("5-0", 2)
    at = sample(0, epoch=6, captured=9.0)
    (window,) = builder.add(at, [crop(at, "5-1")], now=0)
    assert (window.track, window.epoch, len(window.frames)) == ("5-1", 5, 1)
    (window,) = builder.finish(now=0)
    assert (window.track, window.epoch) == ("5-1", 6)


def test_a_miss_is_no_part_of_a_short_window() -> None:
    builder = short_builder()
    build(builder, range(2))
    builder.add(sample(2), [crop(sample(2), detected=False)], 0)
    assert [[f.index for f in w.frames] for w in builder.finish(now=0)] == [[0, 1]]


def test_live_video_gives_no_short_window() -> None:
    builder = WindowBuilder("cam", 4, 2, GAP)
    build(builder, range(3))
    assert builder.add(sample(3), [], 0) == []
    build(builder, range(4, 6))
    assert builder.finish(now=0) == []


@given(st.lists(st.sampled_from("f-x"), max_size=40), st.integers(2, 6))
def test_with_short_windows_no_seen_face_is_without_a_window(events: list[str], frames: int) -> None:
    """'f' seen, '-' missed once, 'x' gone. The full windows are the same with and without."""
    full, made, seen, number = [], [], set(), 0
    plain = WindowBuilder("cam", frames, 1, GAP)
    short = WindowBuilder("cam", frames, 1, GAP, short=True)
    alive = False
    for index, event in enumerate(events):
        at = sample(index)
        if event == "x" or (event == "-" and not alive):
            number, alive = number + alive, False
            crops = []
        else:
            alive = True
            crops = [crop(at, f"5-{number}", detected=event == "f")]
            seen |= {f"5-{number}"} if event == "f" else set()
        full += plain.add(at, crops, 0)
        made += short.add(at, crops, 0)
    made += short.finish(0)
    assert {w.track for w in made} == seen
    assert [w for w in made if len(w.frames) == frames] == full
    assert len({w.id for w in made}) == len(made)
