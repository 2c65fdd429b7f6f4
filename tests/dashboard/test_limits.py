from __future__ import annotations

import pytest

from dashboard.limits import BODY_S, HEAD_S, STALL_BYTES, STALL_S, Budget, Door, Patience, neighbourhood


def test_the_door_counts_all_and_each_address() -> None:
    door = Door(most=3, most_per_address=2)
    assert door.enter("a", "10.0.0.1")
    assert door.enter("b", "10.0.0.1")
    assert not door.enter("c", "10.0.0.1")
    assert door.enter("d", "10.0.0.2")
    assert not door.enter("e", "10.0.0.3")
    door.leave("a")
    door.leave("a")
    door.leave("never came in")
    assert door.enter("f", "10.0.0.1")
    assert len(door) == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "::ffff:10.0.0.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", None, True),
        ("no address", "another", False),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str, other: str | None, same: bool) -> None:
    assert (neighbourhood(one) == neighbourhood(other)) is same


def test_a_head_and_a_body_have_their_time_and_each_request_its_own() -> None:
    patience, first, second = Patience(0.0), object(), object()
    assert not patience.late("head", None, HEAD_S)
    assert patience.late("head", None, HEAD_S + 0.1)
    assert not patience.late("answer", first, HEAD_S + 1000)
    assert not patience.late("head", first, HEAD_S + 1001)
    assert not patience.late("head", second, HEAD_S + 1001 + HEAD_S)  # seen twice in a head, but not in the same
    assert not patience.late("body", second, 2000)
    assert not patience.late("body", second, 2000 + BODY_S)
    assert patience.late("body", second, 2000.1 + BODY_S)


def test_an_answer_must_be_taken() -> None:
    patience = Patience(0.0)
    assert not patience.stalled(0, 1000)
    assert not patience.stalled(10 * STALL_BYTES, 1001)
    assert not patience.stalled(10 * STALL_BYTES - 1, 1001 + STALL_S)
    assert patience.stalled(10 * STALL_BYTES - 1, 1001.1 + STALL_S)
    assert not patience.stalled(9 * STALL_BYTES, 1001.1 + STALL_S)
    patience.progress(9 * STALL_BYTES, 1100)
    assert not patience.stalled(9 * STALL_BYTES, 1100 + STALL_S)


def test_a_budget_allows_a_burst_and_a_rate() -> None:
    budget = Budget(10, 2.0, 0.0)
    assert budget.take(10, 0.0)
    assert not budget.take(1, 0.0)
    assert not budget.take(1, 0.5)
    assert budget.take(1, 2.0)
    assert budget.take(10, 1000.0)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"),
     ("fe80::1%eth0", "fe80::/64"),
     ("", ""), ("no address", "no address")],
)  # fmt: skip
def test_what_counts_as_one_address(address: str, expected: str) -> None:
    assert neighbourhood(address) == expected
