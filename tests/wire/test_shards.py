"""Which shard a camera is in, and where the shards lie."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
import yaml
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from wire import settings, slots
from wire.errors import ConfigError, ServiceError
from wire.keys import Keys
from wire.settings import RedisSettings
from wire.shards import agree, prefixes, shard_of


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


def test_each_is_reached_by_its_own_slot() -> None:
    section = RedisSettings(url="redis://n1:1/0", prefix="{u}:", cluster=("n2:2",), shards=3)
    found = section.spaces(str(section.url))
    assert [one.keys.prefix for one in found] == list(prefixes("{u}:", 3))
    owners = [slots.split(one.url) for one in found]
    assert [one.number for one in owners if one] == [key_slot(one.keys.windows.encode()) for one in found]
    assert RedisSettings(url="unix:///x", prefix="{u}:").spaces("unix:///x")[0].keys == Keys("{u}:")


def test_the_number_is_noted_once(bus: redis.Redis, keys: Keys) -> None:
    agree(bus, keys, 3)
    agree(bus, keys, 3)
    with pytest.raises(ServiceError, match="shards is 2, this Redis holds 3 shards: give all services the same number"):
        agree(bus, keys, 2)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"redis": {"shards": 2}}, "wants a hash tag in redis.prefix"),
        ({"redis": {"shards": 2, "prefix": "{u}:"}, "alerts": {"cooldown_overall_s": 5}}, "exclude each other"),
    ],
)
def test_settings_that_do_not_fit(section: dict[str, object], words: str, tmp_path: Path) -> None:
    file = tmp_path / "unmask.yaml"
    file.write_text(yaml.safe_dump(section))
    with pytest.raises(ConfigError, match=words):
        settings.load(file)
