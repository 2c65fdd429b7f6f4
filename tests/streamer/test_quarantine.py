"""How long a camera that crashes streamers is kept out, on a real register."""

from __future__ import annotations

import redis

from streamer.quarantine import FORGET_S, HOLDS_S, Crashes, Quarantine
from wire.keys import Keys


def test_each_crash_costs_a_longer_wait(bus: redis.Redis, keys: Keys) -> None:
    register, now, waits = Quarantine(bus, keys), 1_000_000.0, []
    for count in range(1, 8):
        crashes = register.convict("cam", now)
        assert crashes.count == count
        waits.append(crashes.until() - now)
        assert register.held(["cam", "other"], crashes.until() - 0.1) == {"cam": crashes}
        now = crashes.until()
        assert register.held(["cam"], now) == {}
    assert waits == [*HOLDS_S, HOLDS_S[-1], HOLDS_S[-1]]


def test_all_streamers_know_and_after_a_day_nobody_does(bus: redis.Redis, keys: Keys) -> None:
    Quarantine(bus, keys).convict("cam", 1000.0)
    other = Quarantine(bus, keys)
    assert other.held(["cam"], 1001.0)["cam"].count == 1
    assert other.held(["elsewhere"], 1000 + FORGET_S) == {}
    assert not bus.exists(keys.crashes)


def test_a_clock_set_back_keeps_nobody_out_for_ever() -> None:
    assert Crashes(5, 10_000.0).held(10_001.0)
    assert not Crashes(5, 10_000.0).held(10_000.0 - 3600)


def test_a_damaged_entry_is_dropped(bus: redis.Redis, keys: Keys) -> None:
    bus.hset(keys.crashes, mapping={b"cam": b"\xff\x00", b"\xff\xfe": b"x"})
    assert Quarantine(bus, keys).held(["cam"], 0.0) == {}
    assert not bus.exists(keys.crashes)
