import numpy as np
import pytest
import redis

from tests.worker.making import window
from wire.keys import Keys
from worker.features import FrameId, MemoryCache, RedisCache, frame_ids, unique_ids

NAMES: list[FrameId] = [("door", "1-0", index) for index in range(3)]


def feature(value: float, dim: int = 4) -> np.ndarray[tuple[int], np.dtype[np.float16]]:
    return np.full(dim, value, np.float16)


def test_overlapping_windows_name_their_shared_frames_once() -> None:
    windows = [window(0), window(1), window(0, track="1-1")]
    assert frame_ids(windows[1]) == [("door", "1-0", index) for index in (2, 3, 4, 5)]
    assert unique_ids(windows) == [("door", "1-0", i) for i in range(6)] + [("door", "1-1", i) for i in range(4)]


def test_redis_gives_back_the_very_bits(bus: redis.Redis, keys: Keys) -> None:
    cache = RedisCache(bus, keys, "model-a", dim=4, ttl_s=30)
    sent = {NAMES[0]: np.array([1e-7, -65504, 0.333, np.inf], np.float16), NAMES[2]: feature(2)}
    with bus.pipeline() as pipe:
        cache.store(pipe, sent)
        pipe.execute()
    found = cache.fetch(NAMES)
    assert {name: value.tobytes() for name, value in found.items()} == {n: v.tobytes() for n, v in sent.items()}
    assert 29_000 < bus.pttl(keys.feature(*NAMES[0], "model-a")) <= 30_000  # type: ignore[operator]
    assert cache.fetch([]) == {}


def test_features_of_another_model_or_length_are_no_features(bus: redis.Redis, keys: Keys) -> None:
    cache = RedisCache(bus, keys, "model-a", dim=4, ttl_s=30)
    with bus.pipeline() as pipe:
        cache.store(pipe, {NAMES[0]: feature(1)})
        pipe.execute()
    bus.set(keys.feature(*NAMES[1], "model-a"), b"cut")
    assert set(cache.fetch(NAMES)) == {NAMES[0]}
    assert RedisCache(bus, keys, "model-b", dim=4, ttl_s=30).fetch(NAMES) == {}


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_memory_keeps_the_newest_only(capacity: int) -> None:
    cache = MemoryCache(capacity)
    for value, name in enumerate(NAMES):
        cache.keep({name: feature(value)})
    assert set(cache.fetch(NAMES)) == set(NAMES[-capacity:])
