"""Made-up streamers: their pace, their faces, and what waits for them."""

from __future__ import annotations

import pytest

from unmask.bench.streamers import LIFE, Cameras, Pace, dilated
from wire.settings import Settings


def test_a_slower_fleet_is_waited_for_longer() -> None:
    assert dilated(0.1)["worker"] == {"feature_ttl_s": pytest.approx(300.0)}
    assert dilated(1.0)["alerts"]["dwell_s"] == Settings().alerts.dwell_s
    Settings(**dilated(0.001))  # within the limits of each


def test_a_pace_gives_every_event_once() -> None:
    pace = Pace(8.0, began=100.0)
    assert [pace.due(now) for now in (100.0, 100.0625, 100.125, 100.125, 101.25)] == [0, 0, 1, 0, 9]
    assert pace.given == 10


def test_a_face_leaves_and_another_comes() -> None:
    cameras = Cameras(1)
    seen = [cameras.next(0) for _ in range(2 * LIFE)]
    tracks = list(dict.fromkeys(window.track for window in seen))
    assert len(tracks) == 3
    second = [window for window in seen if window.track == tracks[1]]
    assert [window.seq for window in second] == list(range(LIFE))
