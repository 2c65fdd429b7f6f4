"""The windows that a worker is fed: as live ones come."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import redis

from unmask.bench.crops import Pool, pool
from unmask.bench.feed import Feeder, tracks
from wire.keys import FIELD, Keys
from wire.messages import Window
from wire.settings import WindowSettings

CROPS = Pool([bytes([number]) for number in range(20)])


def test_a_track_s_windows_share_all_but_the_new_frames() -> None:
    (track,) = tracks(1, 4, epoch=5, frames=16, stride=4, pool=CROPS)
    first, second = track.next(100.0), track.next(101.0)
    assert [frame.index for frame in first.frames] == list(range(16))
    assert [frame.index for frame in second.frames] == list(range(4, 20))
    assert second.frames[:12] == first.frames[4:], "the same frames, stamps and crops included"
    assert (first.seq, second.seq, first.track, second.track) == (0, 1, "5-0", "5-0")
    stamps = [frame.captured for frame in second.frames]
    assert stamps == sorted(set(stamps))
    assert (first.captured, second.captured) == (100.0, 101.0)
    assert Window.decode(second.encode()) == second


def test_without_overlap_no_frame_comes_twice() -> None:
    (track,) = tracks(1, 4, epoch=5, frames=16, stride=16, pool=CROPS)
    indices = [frame.index for _ in range(3) for frame in track.next(100.0).frames]
    assert indices == list(range(48))


def test_faces_are_spread_over_cameras() -> None:
    windows = [track.next(1.0) for track in tracks(6, 4, epoch=5, frames=4, stride=1, pool=CROPS)]
    assert [window.camera for window in windows] == ["bench-0"] * 4 + ["bench-1"] * 2
    assert len({(window.camera, window.track) for window in windows}) == 6
    assert len({window.frames[0].jpeg for window in windows}) > 1


def test_the_queue_is_kept_full_and_no_fuller(bus: redis.Redis, keys: Keys) -> None:
    feeder, faces = Feeder(bus, keys, depth=10), tracks(3, 4, epoch=5, frames=4, stride=1, pool=CROPS)
    settled = 0

    def over(_seconds: float, scored: int) -> bool:
        """A worker that settles four windows whenever it is looked at."""
        nonlocal settled
        rows = cast("list[tuple[bytes, dict[bytes, bytes]]]", bus.xrange(keys.windows, count=4))
        assert len(rows) in (0, 4)
        assert cast(int, bus.xlen(keys.windows)) <= 10
        for id, fields in rows:
            Window.decode(fields[FIELD])
            bus.xdel(keys.windows, id)
        bus.hincrby(keys.outcomes, "scored", len(rows))
        settled += len(rows)
        return scored >= 12

    read = feeder.run(faces, over)
    assert read[0] == (0.0, 0)
    assert [scored for _, scored in read] == sorted(scored for _, scored in read)
    assert settled >= 12
    assert 0 < feeder.cpu_s < 5
    assert feeder.unscored() == 0
    bus.hincrby(keys.outcomes, "stale", 2)
    assert feeder.unscored() == 2
    assert not feeder.drain(0.05)
    bus.delete(keys.windows)
    assert feeder.drain(0.05)


def test_no_two_crops_are_alike_and_all_are_pictures(tmp_path: Path) -> None:
    made = pool(12, WindowSettings()).views
    assert len(set(made)) == 12
    assert all(5_000 < len(jpeg) < 12_000 for jpeg in made)
    picture = cv2.imdecode(np.frombuffer(made[0], np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (128, 128, 3)
    assert pool(2, WindowSettings()).views == made[:2], "the same for every run"
