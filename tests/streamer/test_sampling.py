from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.sampling import TOLERANCE_S, Sample, Sampler

SIZE = (640, 480)


def run(sampler: Sampler, times: list[float], size: tuple[int, int] = SIZE) -> list[Sample]:
    return [sample for time in times if (sample := sampler.take(time, size))]


@pytest.mark.parametrize(("camera_fps", "fps"), [(25, 6), (30, 6), (15, 6), (25, 10), (24, 5), (29.97, 6)])
def test_the_mean_rate_is_right_and_nothing_is_cut(camera_fps: float, fps: float) -> None:
    samples = run(Sampler(fps), [1000 + index / camera_fps for index in range(round(camera_fps * 20))])
    assert len(samples) == pytest.approx(20 * fps, abs=2)
    assert {sample.epoch for sample in samples} == {1_000_000}
    assert [sample.index for sample in samples] == list(range(len(samples)))


def test_a_camera_slower_than_the_analysis_gives_every_frame() -> None:
    assert len(run(Sampler(6), [index / 5 for index in range(50)])) == 50


def test_interrupt_begins_an_epoch_with_the_next_frame() -> None:
    sampler = Sampler(6)
    run(sampler, [0.0, 0.2])
    sampler.interrupt()
    sample = sampler.take(0.21, SIZE)
    assert sample
    assert sample.first
    assert sample.epoch == 210


def test_a_new_size_begins_an_epoch() -> None:
    sampler = Sampler(6)
    run(sampler, [0.0, 0.2])
    sample = sampler.take(0.24, (320, 240))
    assert sample
    assert (sample.index, sample.size) == (0, (320, 240))


@pytest.mark.parametrize(("gap", "cut"), [(2 / 6 - 0.01, False), (2 / 6 + 0.01, True), (60.0, True)])
def test_more_than_two_periods_begin_an_epoch(gap: float, cut: bool) -> None:
    sampler = Sampler(6)
    run(sampler, [100.0])
    sample = sampler.take(100.0 + gap, SIZE)
    assert sample
    assert sample.first == cut


def test_epochs_grow_though_time_runs_backwards() -> None:
    sampler = Sampler(6)
    first, second = sampler.take(100.0, SIZE), sampler.take(50.0, SIZE)
    assert first
    assert second
    assert second.epoch > first.epoch


TIMES = st.lists(st.floats(0, 2), min_size=1, max_size=100)


@given(TIMES, st.sampled_from([1.0, 6.0, 15.0]), st.lists(st.booleans(), min_size=100, max_size=100))
def test_within_an_epoch_no_gap_is_too_long_and_indices_are_whole(
    steps: list[float], fps: float, cuts: list[bool]
) -> None:
    sampler, now, last = Sampler(fps), 1000.0, None
    for step, cut in zip(steps, cuts, strict=False):
        now += step
        if cut:
            sampler.interrupt()
        sample = sampler.take(now, SIZE)
        if sample is None:
            assert not cut
            continue
        if last and sample.epoch == last.epoch:
            assert sample.index == last.index + 1
            assert 0 <= sample.captured - last.captured <= 2 / fps + TOLERANCE_S
            assert not cut
        elif last:
            assert sample.first
            assert sample.epoch > last.epoch
        last = sample
