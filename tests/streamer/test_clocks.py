from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.clocks import CaptureClock, MediaClock


def test_frames_that_come_evenly_are_stamped_on_arrival() -> None:
    clock = CaptureClock()
    for index in range(50):
        arrival = 1000 + index / 25
        assert clock.stamp(77 + index / 25, arrival, 0.04) == pytest.approx(arrival)


def test_a_pause_of_the_network_does_not_show_in_the_capture_times() -> None:
    clock = CaptureClock()
    times = []
    for index in range(100):
        due = index / 25
        arrival = max(due, 2.5) if due >= 2.0 else due  # half a second of silence, then everything at once
        waited = 0.5 if due == 2.0 else 0.04 if arrival == due else 0.0
        times.append(clock.stamp(due, 1000 + arrival, waited))
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert max(gaps) < 0.1
    assert times[-1] == pytest.approx(1000 + 99 / 25, abs=0.01)


def test_being_slow_shows_as_lag() -> None:
    clock = CaptureClock()
    lag = 0.0
    for index in range(50):
        arrival = 1000 + index / 10  # 25 a second are sent, 10 are managed
        lag = arrival - clock.stamp(index / 25, arrival, 0.0)
    assert lag == pytest.approx(49 * (0.1 - 0.04))


def test_waiting_for_a_turn_forgives_nothing() -> None:
    """As measured with cores too few by half: one frame in sixteen is waited for, since others are at work."""
    clock = CaptureClock()
    for index in range(75):
        clock.stamp(index / 25, 1000 + index / 25, 0.035)  # it kept up at first
    lag = 0.0
    for index in range(1200):
        arrival = 1003 + index / 20  # 25 a second are sent, 20 are managed
        lag = arrival - clock.stamp(3 + index / 25, arrival, 0.0 if index % 16 else 0.02)
    assert lag == pytest.approx(1199 * (0.05 - 0.04), rel=0.05)


def test_made_up_timestamps_of_mjpeg_do_not_pile_up_lag() -> None:
    clock = CaptureClock()
    lags = []
    for index in range(600):
        arrival = 1000 + index / 10  # ten a second, numbered as if they were 25
        lags.append(arrival - clock.stamp(index / 25, arrival, 0.1))
    assert max(lags) < 0.8


def test_renumbered_timestamps_start_anew() -> None:
    clock = CaptureClock()
    clock.stamp(500.0, 1000.0, 0.04)
    assert clock.stamp(0.0, 1000.04, 0.04) == pytest.approx(1000.04)
    assert clock.stamp(900.0, 1000.08, 0.04) == pytest.approx(1000.08)


def test_what_lay_in_a_buffer_is_as_old_as_it_says() -> None:
    clock = CaptureClock()
    clock.stamp(0.0, 1000.0, 0.04)
    assert clock.stamp(0.04, 1020.0, 0.0) == pytest.approx(1000.04)  # we stood still for twenty seconds
    assert clock.stamp(0.08, 1040.0, 20.0) == pytest.approx(1040.0)  # the camera did, and its clock with it


def test_no_timestamp_means_arrival() -> None:
    assert CaptureClock().stamp(None, 5.0, 0.0) == 5.0


@given(st.lists(st.tuples(st.none() | st.floats(-100, 1e5), st.floats(0, 10), st.floats(0, 10)), max_size=60))
def test_capture_times_never_run_backwards_nor_ahead(events: list[tuple[float | None, float, float]]) -> None:
    clock, arrival, last = CaptureClock(), 1000.0, float("-inf")
    for pts, wait, waited in events:
        arrival += wait
        captured = clock.stamp(pts, arrival, min(wait, waited))
        assert last <= captured <= arrival
        last = captured


def test_media_time_starts_at_zero_wherever_the_file_does() -> None:
    clock = MediaClock(0.04)
    assert [clock.at(pts) for pts in (10.0, 10.04, 10.1)] == pytest.approx([0, 0.04, 0.1])


def test_media_time_of_frames_without_timestamps() -> None:
    clock = MediaClock(0.04)
    assert [clock.at(None) for _ in range(3)] == pytest.approx([0, 0.04, 0.08])


def test_a_loop_goes_on_one_step_after_its_end() -> None:
    clock = MediaClock(0.04)
    for pts in (0.0, 0.04, 0.08):
        clock.at(pts)
    clock.rewind()
    assert [clock.at(pts) for pts in (0.0, 0.04)] == pytest.approx([0.12, 0.16])


def test_a_long_pause_is_real_in_a_file_and_a_renumbering_in_a_stream() -> None:
    assert [MediaClock(0.04).at(0.0), (file := MediaClock(0.04)).at(0.0), file.at(60.0)][-1] == pytest.approx(60)
    stream = MediaClock(0.04, jump_s=5.0)
    stream.at(0.0)
    assert stream.at(60.0) == pytest.approx(0.04)
    assert stream.at(60.1) == pytest.approx(0.14)


@given(st.lists(st.none() | st.floats(0, 1e4), max_size=60))
def test_media_time_never_runs_backwards(stamps: list[float | None]) -> None:
    clock, last = MediaClock(0.04, 5.0), 0.0
    for pts in stamps:
        now = clock.at(pts)
        assert now >= last
        last = now


def test_a_wall_clock_set_back_by_an_hour_costs_no_hour() -> None:
    clock = CaptureClock()
    for index in range(50):
        clock.stamp(index / 25, 10_000 + index / 25, 0.04)
    assert clock.stamp(2.0, 10_001.9, 0.04) == pytest.approx(10_001.96)  # a little: it is waited for
    for index in range(51, 100):
        arrival = 10_000 - 3600 + index / 25
        assert clock.stamp(index / 25, arrival, 0.04) == pytest.approx(arrival)
