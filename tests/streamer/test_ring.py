from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.ring import Kept, PacketRing, Stretch

FPS = 10
STRETCH = Stretch("h264")


def ring(seconds: float = 5.0, most: int = 10_000) -> PacketRing:
    made = PacketRing(seconds, most)
    made.begin(STRETCH)
    return made


def fill(made: PacketRing, count: int, every: int = 10, size: int = 10, start: float = 0.0) -> list[Kept]:
    """`count` packets of `size` bytes, FPS a second, a key frame every `every`, stamped."""
    kept = []
    for index in range(count):
        packet = made.add(bytes(size), index, index, index % every == 0)
        assert packet is not None
        made.stamp(packet, start + index / FPS)
        kept.append(packet)
    return kept


def test_it_begins_with_a_key_frame() -> None:
    made = ring()
    assert made.add(b"x", 0, 0, False) is None
    assert made.since(0) == []
    key = made.add(b"k", 1, 1, True)
    after = made.add(b"x", 2, 2, False)
    assert made.since(0) == [key, after]


def test_it_reaches_back_as_far_as_asked_and_one_group_at_most_further() -> None:
    made = ring(seconds=5)
    fill(made, 200)
    first = made.since(0)[0]
    assert first.key
    assert first.captured is not None
    assert made.newest == 19.9
    assert 19.9 - 5 - 1 < first.captured <= 19.9 - 5
    assert made.size == 10 * len(made.since(0))


def test_a_group_larger_than_the_limit_is_lost_as_a_whole() -> None:
    made = ring(most=100)
    assert len(fill(made, 10, size=10)) == 10
    assert made.add(b"x", 10, 10, False) is not None  # one byte too many: the newest packet goes with its group
    assert (made.since(0), made.size, made.newest) == ([], 0, None)
    assert made.add(b"x", 11, 11, False) is None
    assert made.add(b"k", 12, 12, True) is not None


def test_older_groups_give_way_to_the_byte_limit() -> None:
    made = ring(seconds=1000, most=250)
    kept = fill(made, 30, size=10)
    assert made.since(0) == kept[10:]


def test_since_begins_at_the_key_frame_before() -> None:
    made = ring()
    kept = fill(made, 40)
    assert made.since(1.55)[0] is kept[10]
    assert made.since(2.0)[0] is kept[20]
    assert made.since(99)[0] is kept[30]
    assert made.since(-99)[0] is kept[0]


def test_the_moment_is_the_nearest_frame_with_what_it_needs() -> None:
    made = ring()
    kept = fill(made, 40)
    assert made.moment(2.31, 0.02) == kept[20:24]
    assert made.moment(2.35, 0.02) == []
    assert made.moment(-1, 0.5) == []
    assert ring().moment(1, 1e9) == []


def test_a_frame_that_its_key_frame_overtook_needs_the_group_before() -> None:
    """Decoding order key(0) p(1) key(3) b(2) p(4): the frame of 2 leans on both groups."""
    made = ring()
    kept = [made.add(b"x", pts, pts, key) for pts, key in ((0, True), (1, False), (3, True), (2, False), (4, False))]
    for one, captured in zip(kept, (0.0, 0.1, 0.3, 0.2, 0.4), strict=True):
        assert one is not None
        made.stamp(one, captured)
    assert made.moment(0.2, 0.01) == kept[:4]
    assert made.moment(0.4, 0.01) == kept[2:]


def test_a_reconnect_clears_and_the_late_stamp_of_a_lost_packet_does_no_harm() -> None:
    made = ring()
    kept = fill(made, 20)
    made.clear()
    assert (made.since(0), made.size, made.newest) == ([], 0, None)
    assert made.add(b"x", 0, 0, False) is None
    made.stamp(kept[-1], 99.0)
    assert made.newest is None
    fresh = fill(made, 1, start=5.0)
    assert fresh[0].number > kept[-1].number
    assert made.since(0) == fresh


def test_a_wall_clock_set_back_leaves_no_more_than_ever() -> None:
    made = ring(seconds=2)
    fill(made, 30, start=10_000.0)
    again = fill(made, 100, start=6_400.0)
    held = made.since(float("-inf"))
    assert held[0] in again, "what was taken before is gone, and not kept for an hour"
    assert len(held) <= 2 * FPS + 10
    assert made.moment(6_409.0, 0.0)[-1] is again[90]


def test_a_looped_file_goes_on_behind_what_is_there() -> None:
    made = ring()
    kept = fill(made, 15)
    again = Stretch("h264")
    made.begin(again)
    assert made.add(b"x", 0, 0, False) is None  # it can't be decoded from the other opening's key frame
    key = made.add(b"k", 0, 0, True)
    assert key is not None
    assert key.stretch is again
    assert made.since(0) == [*kept, key]


def test_a_change_of_parameters_drops_what_was_before() -> None:
    made = ring()
    kept = fill(made, 25)
    other = Stretch("h264", rotation=90)
    made.change(kept[23], other)
    assert made.since(0) == kept[20:]
    assert {packet.stretch.rotation for packet in kept[20:]} == {90}
    assert made.size == 50


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["key", "delta", "lost"]), st.integers(0, 60)),
        st.tuples(st.sampled_from(["clear", "begin"]), st.just(0)),
    ),
    max_size=120,
)


@given(STEPS, st.floats(0.1, 5), st.integers(1, 400))
def test_whatever_comes_it_can_be_decoded_and_is_bounded(steps: list[Step], seconds: float, most: int) -> None:
    made = ring(seconds, most)
    for index, (what, size) in enumerate(steps):
        if what == "clear":
            made.clear()
        elif what == "begin":
            made.begin(Stretch("h264"))
        else:
            kept = made.add(bytes(size), None, None, what == "key")
            if kept is not None and what != "lost":
                made.stamp(kept, index / FPS)
        held = made.since(float("-inf"))
        assert made.size == sum(len(packet.data) for packet in held) <= most
        assert not held or held[0].key
        assert all(a.number < b.number for a, b in itertools.pairwise(held))
        assert all(b.key for a, b in itertools.pairwise(held) if a.stretch is not b.stretch)
        for packet in held:
            if packet.captured is not None:
                need = made.moment(packet.captured, 0.0)
                assert need[0].key
                assert need[-1] is packet


@pytest.mark.parametrize("every", [1, 7, 50])
def test_the_time_it_holds_is_what_was_asked_for(every: int) -> None:
    made = ring(seconds=3)
    for index in range(300):
        packet = made.add(b"x", index, index, index % every == 0)
        assert packet is not None
        made.stamp(packet, index / FPS)
        oldest = made.since(float("-inf"))[0].captured
        assert oldest is not None
        assert oldest <= max(0.0, index / FPS - 3)
        assert index / FPS - oldest <= 3 + every / FPS + 1e-9
