"""Which shard a camera is in, and where the shards lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from tests.faults.shards import prefixes, shard_of
from wire.keys import Keys


def test_places_that_must_never_change() -> None:
    assert prefixes("unmask:", 1) == ("unmask:",)
    assert prefixes("{unmask}:", 1) == ("{unmask}:",)
    assert prefixes("{unmask}:", 3) == ("{unmask.0.3}:", "{unmask.1}:", "{unmask.2.2}:")
    assert [shard_of(camera, 3) for camera in ("a", "Küche", "gate")] == [0, 1, 2]


@given(st.text(), st.integers(1, 64))
def test_every_camera_is_in_one_of_them(camera: str, shards: int) -> None:
    assert 0 <= shard_of(camera, shards) < shards
    assert shard_of(camera, 1) == 0


@pytest.mark.parametrize("shards", [2, 3, 7, 64])
def test_each_lies_in_its_part_of_the_slots(shards: int) -> None:
    each = [Keys(prefix) for prefix in prefixes("east:{unmask}:", shards)]
    assert [key_slot(keys.windows.encode()) * shards // 16384 for keys in each] == list(range(shards))
    for keys in each:
        assert len({key_slot(key.encode()) for key in (keys.windows, keys.outcomes, keys.track("a{b}", "1"))}) == 1
    names = [sum(shard_of(f"camera-{at}", shards) == n for at in range(100 * shards)) for n in range(shards)]
    assert min(names) > 60, "cameras are spread"
    assert max(names) < 140


@pytest.mark.parametrize("prefix", ["unmask:", "{}:", "", "}unmask{"])
def test_shards_want_a_hash_tag(prefix: str) -> None:
    with pytest.raises(ValueError, match=r"redis\.shards wants a hash tag in redis\.prefix"):
        prefixes(prefix, 3)
