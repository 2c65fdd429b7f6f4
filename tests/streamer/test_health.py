from __future__ import annotations

import pytest

from streamer.health import FpsMeter, FreezeDetector


def test_fps_of_a_steady_stream() -> None:
    meter = FpsMeter(4.0)
    for index in range(250):
        meter.add(index / 25)
    assert meter.rate(10.0) == pytest.approx(25, abs=0.5)


def test_fps_is_right_from_the_first_second_on() -> None:
    meter = FpsMeter(4.0)
    for index in range(11):
        meter.add(100 + index / 10)
    assert meter.rate(101.0) == pytest.approx(10)


def test_fps_falls_to_zero_when_the_stream_stops() -> None:
    meter = FpsMeter(4.0)
    assert meter.rate(0) == 0
    for index in range(100):
        meter.add(index / 25)
    assert 0 < meter.rate(6.0) < 15
    assert meter.rate(8.1) == 0


def test_no_frame_for_long_is_frozen() -> None:
    health = FreezeDetector(3.0)
    assert not health.frozen(100.0)  # nothing was seen yet: connecting, not frozen
    health.seen(0.0, 0.0)
    assert not health.frozen(3.0)
    assert health.frozen(3.01)
    health.seen(4.0, 4.0)
    assert not health.frozen(4.0)


def test_a_timestamp_that_stands_still_is_frozen_though_frames_come() -> None:
    health = FreezeDetector(3.0)
    for index in range(100):
        health.seen(index / 25, 7.0)
    assert health.frozen(4.0)
    health.seen(4.04, 7.04)
    assert not health.frozen(4.04)


def test_frames_without_timestamps_are_not_frozen() -> None:
    health = FreezeDetector(3.0)
    for index in range(100):
        health.seen(index / 25, None)
    assert not health.frozen(4.0)


def test_a_wall_clock_set_back_hides_no_frozen_picture_and_no_rate() -> None:
    health, meter = FreezeDetector(3.0), FpsMeter()
    for index in range(100):
        health.seen(10_000 + index / 25, index / 25)
        meter.add(10_000 + index / 25)
    assert not health.frozen(6400.0)
    assert not health.frozen(6402.9)
    assert health.frozen(6403.1)
    for index in range(200):
        meter.add(6400 + index / 25)
    assert meter.rate(6400 + 199 / 25) == pytest.approx(25, abs=1)
    assert meter.count == 100
