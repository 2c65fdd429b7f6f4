from __future__ import annotations

from urllib.parse import urlsplit

import redis
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from streamer.lease import GRACE_S, Leases, plan
from tests.support.proxy import proxied
from tests.support.servers import wait_until
from wire import bus as wire_bus
from wire.keys import Keys

NONE: frozenset[str] = frozenset()


def test_a_lone_streamer_takes_everything() -> None:
    assert plan("a", {"1": None, "2": None}, {}, NONE).acquire == ("1", "2")


def test_a_newcomer_asks_and_the_owner_of_too_many_lets_go() -> None:
    owners = {"1": "a", "2": "a", "3": "a", "4": "a"}
    asked = plan("b", owners, {}, NONE)
    assert len(asked.want) == 2
    assert not asked.acquire
    assert plan("a", owners, dict.fromkeys(asked.want, "b"), NONE).release == asked.want


def test_nothing_is_let_go_without_a_wish_nor_below_the_share() -> None:
    owners: dict[str, str | None] = {"1": "a", "2": "a", "3": "b"}
    assert plan("a", owners, {}, NONE).release == ()
    assert plan("a", owners, {"1": "b", "2": "b"}, NONE).release == ()  # two of three are a fair share


def test_a_camera_nobody_takes_is_taken_beyond_the_share() -> None:
    owners: dict[str, str | None] = {"1": "a", "2": "b", "3": "a", "4": None}
    assert plan("a", owners, {}, NONE).acquire == ()
    assert plan("a", owners, {}, frozenset({"4"})).acquire == ("4",)


@settings(max_examples=60, phases=[Phase.explicit, Phase.reuse, Phase.generate])  # shrinking takes minutes
@given(
    cameras=st.integers(1, 12),
    streamers=st.integers(1, 5),
    start=st.lists(st.integers(0, 5), min_size=12, max_size=12),
    orders=st.randoms(use_true_random=False),
)
def test_any_start_settles_in_fair_shares(cameras: int, streamers: int, start: list[int], orders: object) -> None:
    """A model of Redis: each streamer in turn plans and acts, in random order, until nothing changes."""
    names = [f"s{index}" for index in range(streamers)]
    owners: dict[str, str | None] = {
        str(index): names[start[index]] if start[index] < streamers else None for index in range(cameras)
    }
    moves = 0
    wishes: dict[str, str | None] = {}
    for turn in range(40):
        order = list(names)
        orders.shuffle(order)  # type: ignore[attr-defined]
        moves = 0
        for name in order:
            todo = plan(name, owners, wishes, NONE)
            for camera in todo.acquire:
                owners[camera], moves = name, moves + 1
                if wishes.get(camera) == name:
                    del wishes[camera]
            for camera in todo.release:
                owners[camera], moves = None, moves + 1
            for camera in todo.want:
                wishes.setdefault(camera, name)
        if turn % 3 == 2:
            wishes = {}  # they expire
    held = [sum(owner == name for owner in owners.values()) for name in names]
    assert sum(held) == cameras, owners
    assert moves == 0, "still moving"
    assert max(held) - min(held) <= 1, held


def test_a_lease_is_exclusive_renewed_and_given_back(bus: redis.Redis, keys: Keys) -> None:
    a, b = Leases(bus, keys, "a", 10), Leases(bus, keys, "b", 10)
    assert a.acquire("cam")
    assert not b.acquire("cam")
    bus.pexpire(keys.lease("cam"), 1000)
    assert a.acquire("cam")
    assert bus.pttl(keys.lease("cam")) > 9000  # type: ignore[operator]
    b.release("cam")
    assert bus.get(keys.lease("cam")) == b"a"
    a.release("cam")
    assert b.acquire("cam")


def test_a_silent_streamer_loses_its_lease_and_notices(bus: redis.Redis, keys: Keys) -> None:
    a, b = Leases(bus, keys, "a", 0.05), Leases(bus, keys, "b", 10)
    assert a.step(["cam"], 0) == {"cam"}
    wait_until(lambda: bus.get(keys.lease("cam")) is None, 10, "the lease runs out")
    assert b.step(["cam"], 1) == {"cam"}
    assert a.step(["cam"], 2) == set()


def test_a_restarted_streamer_of_the_same_name_goes_on_at_once(bus: redis.Redis, keys: Keys) -> None:
    Leases(bus, keys, "a", 10).step(["cam"], 0)
    assert Leases(bus, keys, "a", 10).step(["cam"], 0) == {"cam"}


def test_two_streamers_share_in_redis(bus: redis.Redis, keys: Keys) -> None:
    a, b = Leases(bus, keys, "a", 10), Leases(bus, keys, "b", 10)
    cameras = ["1", "2", "3", "4"]
    assert len(a.step(cameras, 0)) == 4
    mine: set[str] = set()
    theirs: set[str] = set()
    for second in range(1, 5):
        theirs = b.step(cameras, second)
        mine = a.step(cameras, second)
    assert (len(mine), len(theirs)) == (2, 2)
    assert mine | theirs == set(cameras)
    b.release("3")
    b.release("4")
    b.release("1")
    b.release("2")
    for second in (10.0, 10.0 + GRACE_S / 2, 11 + GRACE_S):
        mine = a.step(cameras, second)
    assert mine == set(cameras)


def test_streamers_with_other_cameras_take_nothing_away(bus: redis.Redis, keys: Keys) -> None:
    a, b = Leases(bus, keys, "a", 10), Leases(bus, keys, "b", 10)
    for second in range(4):
        assert a.step(["1", "2"], second) == {"1", "2"}
        assert b.step(["3"], second) == {"3"}


def test_no_cameras(bus: redis.Redis, keys: Keys) -> None:
    assert Leases(bus, keys, "a", 10).step([], 0) == set()


def test_many_leases_outlast_their_renewal_on_a_slow_network(redis_url: str, bus: redis.Redis, keys: Keys) -> None:
    """Renewed one after the other, a tenth of a second each, the first would end before the last was reached."""
    names = [f"cam{number}" for number in range(40)]
    with (
        proxied(urlsplit(redis_url).port or 0) as proxy,
        wire_bus.connect(f"redis://127.0.0.1:{proxy.port}/0") as slow,
    ):
        proxy.delay_s = 0.05
        assert Leases(slow, keys, "me", 2.0).step(names, 1000.0) == set(names)
        assert bus.exists(*(keys.lease(name) for name in names)) == len(names)
