"""The past of a fleet is what its worker would have left."""

from __future__ import annotations

import pytest
import redis

from unmask.bench import fakes
from unmask.bench.past import WINDOWS, Past
from unmask.bench.streamers import Cameras
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent, CameraState
from wire.settings import Settings
from worker.alerts import TrackState


def test_the_past_is_what_a_worker_would_have_left(
    bus: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes, "OF", 5)
    cameras = Cameras(30)
    past = Past(keys, cameras, "model", 256, Settings(alerts=fakes.RULES), speed=1.0)
    assert list(past.write(bus)) == [30]
    shown = [name for name in cameras.names if fakes.p_fake(name) > 0.5]
    rows = bus.xrange(keys.alerts)
    assert [AlertEvent.decode(fields[FIELD]).alert.camera for _, fields in rows if b"new" in fields[FIELD]] == shown  # type: ignore[union-attr]
    assert 0 < len(shown) < 15
    window = cameras.next(0)
    state = TrackState.decode(bus.get(keys.track(window.camera, window.track)))  # type: ignore[arg-type]
    assert state.next == window.seq == WINDOWS, "the next window waits for no other"
    known = [keys.feature(window.camera, window.track, frame.index, "model") for frame in window.frames]
    assert bus.exists(*known[:-4]) == len(known) - 4, "only its new frames are to be encoded"
    assert bus.exists(*known[-4:]) == 0
    assert CameraState.decode(bus.get(keys.camera(window.camera))).faces == 1  # type: ignore[arg-type]
    assert bus.scard(keys.camera_names) == 30
    sizes = past.sizes(bus)
    assert sizes["features"] > 180 * 512
    assert sizes["preview"] > len(cameras.preview)
