"""What evidence is kept, and what gives way."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from tests.support.messages import EXAMPLES
from wire import evidence
from wire.evidence import PARTS, EvidenceStore
from wire.keys import Keys
from wire.messages import Clip, Evidence, Explanation, Message, Picture, Trace
from wire.settings import AlertSettings

NOW = 1_700_000_100.0
DAY = 86_400.0
EXAMPLE: dict[type[Message], Any] = {type(message): message for message in EXAMPLES}


def clip(alert: str, size: int) -> Clip:
    return Clip(alert=alert, started=1, ended=2, codec="h264", as_received=True, mp4=b"\0" * size)


def window(alert: str) -> Evidence:
    fields = {name: getattr(EXAMPLE[Evidence], name) for name in Evidence.__struct_fields__}
    return Evidence(**{**fields, "alert": alert})


def kept(bus: redis.Redis, keys: Keys, alert: str) -> dict[bytes, bytes]:
    found: Any = bus.hgetall(keys.evidence(alert))
    return dict(found)


@pytest.fixture
def store(keys: Keys) -> EvidenceStore:
    return EvidenceStore(keys, AlertSettings(evidence_days=2, evidence_mb=1))


def test_every_part_comes_back(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    for kind in (Evidence, Trace, Explanation, Picture, Clip):
        assert store.put(bus, EXAMPLE[kind], NOW) == 1
    parts = kept(bus, keys, EXAMPLE[Evidence].alert)
    assert set(parts) == {part.encode() for part in PARTS}
    for kind in (Evidence, Trace, Explanation, Picture, Clip):
        assert evidence.read(parts, kind) == EXAMPLE[kind]
    assert 0 < bus.pttl(keys.evidence(EXAMPLE[Evidence].alert)) <= 2 * DAY * 1000  # type: ignore[operator]
    assert int(bus.hget(keys.evidence_bytes, "") or 0) == sum(map(len, parts.values()))  # type: ignore[arg-type]


def test_what_can_not_be_read_is_as_if_it_were_not_there() -> None:
    assert evidence.read({b"clip": b"garbage"}, Clip) is None
    assert evidence.read({}, Clip) is None


def test_a_part_without_its_window_is_not_taken(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    assert store.put(bus, clip("gone", 10), NOW) == 0
    assert not bus.exists(keys.evidence("gone"), keys.evidence_index, keys.evidence_bytes)


def test_a_part_that_comes_again_replaces_the_first(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    store.put(bus, window("a"), NOW)
    for size in (5000, 100):
        store.put(bus, clip("a", size), NOW)
    total = sum(map(len, kept(bus, keys, "a").values()))
    assert int(bus.hget(keys.evidence_bytes, "") or 0) == total < 1500  # type: ignore[arg-type]


def test_over_the_size_limit_the_oldest_goes_first(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    for number, alert in enumerate("abc"):
        store.put(bus, window(alert), NOW + number)
        store.put(bus, clip(alert, 400_000), NOW + number)
    assert not kept(bus, keys, "a")
    assert evidence.read(kept(bus, keys, "b"), Clip) is not None
    assert evidence.read(kept(bus, keys, "c"), Clip) is not None
    assert bus.zrange(keys.evidence_index, 0, -1) == [b"b", b"c"]
    assert int(bus.hget(keys.evidence_bytes, "") or 0) <= 1_000_000  # type: ignore[arg-type]


def test_the_alert_at_hand_does_not_give_way_to_itself(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    store.put(bus, window("old"), NOW)
    store.put(bus, window("new"), NOW + 1)
    store.put(bus, clip("old", 2_000_000), NOW + 2)
    assert kept(bus, keys, "old")
    assert not kept(bus, keys, "new")


def test_what_is_too_old_is_no_longer_counted(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    store.put(bus, window("a"), NOW)
    bus.delete(keys.evidence("a"))  # as its TTL does
    store.put(bus, window("b"), NOW + 2 * DAY + 1)
    assert bus.zrange(keys.evidence_index, 0, -1) == [b"b"]
    total = sum(map(len, kept(bus, keys, "b").values()))
    assert int(bus.hget(keys.evidence_bytes, "") or 0) == total  # type: ignore[arg-type]


def test_in_a_transaction_it_is_one_command(bus: redis.Redis, keys: Keys, store: EvidenceStore) -> None:
    with bus.pipeline() as pipe:
        pipe.watch("x")  # type: ignore[no-untyped-call]
        pipe.multi()
        store.put(pipe, window("a"), NOW)
        store.put(pipe, Trace(alert="a", points=((1.0, 0.5, "suspect"),)), NOW)
        assert pipe.execute() == [1, 1]
    assert evidence.read(kept(bus, keys, "a"), Trace) is not None
