"""What the gate lets in, holds back, and writes into the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import structlog

from dashboard.access.backoff import FREE
from dashboard.access.gate import Denied, Gate, Wait
from dashboard.access.principal import ANYBODY, Principal
from dashboard.access.users import Access
from tests.dashboard.people import person, secret, token

USERS = {"anna": person("anna", "viewer", "lobby-*"), "otto": person("otto", "operator")}


class Clock:
    """A clock that is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def made(access: Access, clock: Callable[[], float] | None = None) -> tuple[Gate, list[Any]]:
    lines: list[Any] = []

    def keep(_logger: object, _method: str, event: Any) -> Any:
        lines.append(dict(event))
        raise structlog.DropEvent

    logins: Any = None
    log: Any = structlog.wrap_logger(structlog.PrintLogger(), processors=[keep])
    return Gate(access, logins, log, clock or Clock()), lines


def ask(gate: Gate, given: str | None, address: str = "10.0.0.1") -> Principal:
    return asyncio.run(gate.by_token(given, address))


def test_who_is_who() -> None:
    gate, _ = made(Access("s3cret", USERS))
    assert ask(gate, "s3cret") == Principal("token", "admin")
    assert ask(gate, token("anna")) == Principal("anna", "viewer", ("lobby-*",))
    assert asyncio.run(gate.by_password("otto", secret("otto"), "10.0.0.1")).role == "operator"
    assert asyncio.run(gate.by_password("", token("otto"), "10.0.0.1")).role == "operator"
    for wrong in (None, "", "~", "s3cre", "s3cret ", "anna~", "anna", f"anna~{secret('otto')}", f"~{secret('anna')}",
                  "anna~" + "x" * 100_000, "anna~\ud800", f"ANNA~{secret('anna')}"):  # fmt: skip
        with pytest.raises(Denied):
            ask(made(Access("s3cret", USERS))[0], wrong)
    with pytest.raises(Denied):
        asyncio.run(gate.by_password("token", "s3cret", "10.0.0.1"))
    assert ask(made(Access())[0], None) is ANYBODY
    tilde = made(Access("a~b", USERS))[0]
    assert ask(tilde, "a~b").role == "admin"


def fail(gate: Gate, times: int, given: str = "anna~wrong", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        with pytest.raises(Denied):
            ask(gate, given, address)


def test_after_too_many_failures_even_the_right_one_has_to_wait() -> None:
    clock = Clock()
    gate, _ = made(Access("s3cret", USERS), clock)
    fail(gate, FREE)
    for right in ("s3cret", token("otto"), token("anna")):
        with pytest.raises(Wait) as caught:
            ask(gate, right)
        assert caught.value.seconds == 1
    with pytest.raises(Wait):
        ask(gate, token("anna"), "10.9.9.9")  # from anywhere: it is this name that was guessed at
    assert ask(gate, token("otto"), "10.9.9.9").name == "otto"
    clock.now += 1.0
    assert ask(gate, "s3cret").role == "admin"


def test_guessing_at_once_is_worth_no_more_than_one_after_another() -> None:
    clock = Clock()
    gate, _ = made(Access(None, USERS), clock)

    async def at_once(names: list[str], addresses: list[str]) -> list[type]:
        pairs = enumerate(zip(names, addresses, strict=True))
        guesses = (gate.by_password(name, f"guess {n}", at) for n, (name, at) in pairs)
        return [type(one) for one in await asyncio.gather(*guesses, return_exceptions=True)]

    fail(gate, FREE, "anna~wrong", "10.0.0.1")
    for wait in (1.0, 2.0, 4.0):
        clock.now += wait
        by_address = asyncio.run(at_once([f"name-{n}" for n in range(30)], ["10.0.0.1"] * 30))
        assert sorted(one.__name__ for one in by_address) == ["Denied"] + ["Wait"] * 29
    clock.now += 60
    by_name = asyncio.run(at_once(["anna"] * 30, [f"10.9.9.{n}" for n in range(30)]))
    assert sorted(one.__name__ for one in by_name) == ["Denied"] + ["Wait"] * 29


def test_who_came_in_before_with_an_unguessable_token_goes_on_in_spite_of_a_neighbour() -> None:
    gate, _ = made(Access("short", USERS))
    assert ask(gate, token("anna"))
    assert ask(gate, "short")
    fail(gate, FREE, "otto~wrong")
    assert ask(gate, token("anna")).name == "anna"
    with pytest.raises(Wait):
        ask(gate, "short")  # this one could be guessed, and the answer would tell
    with pytest.raises(Wait):
        ask(gate, token("otto"))
    assert ask(gate, token("anna"), "10.0.0.2").name == "anna"


def test_nothing_presented_is_no_failure() -> None:
    gate, _ = made(Access("s3cret", USERS))
    for _ in range(3 * FREE):
        with pytest.raises(Denied):
            ask(gate, None)
    assert ask(gate, "s3cret")


def test_the_log_names_known_users_and_nothing_that_was_typed() -> None:
    clock = Clock()
    gate, lines = made(Access("s3cret", USERS), clock)
    ask(gate, token("anna"))
    clock.now += 2
    for given in ("anna~wr0ng", "hunter2~hunter3", "hunter4"):
        fail(gate, 1, given)
        clock.now += 2
    fail(gate, FREE, "hunter5", "10.0.0.5")
    with pytest.raises(Wait):
        ask(gate, "hunter6", "10.0.0.5")
    assert [(line["event"], line["user"]) for line in lines] == [
        ("came in", "anna"), ("sign-in failed", "anna"), ("sign-in failed", "unknown"), ("sign-in failed", "unknown"),
        ("sign-in failed", "unknown"), ("sign-in held back", "unknown"),
    ]  # fmt: skip
    assert lines[0]["address"] == "10.0.0.1"
    assert not any(word in repr(lines) for word in ("hunter", "wr0ng", "s3cret", "knows"))
    ask(gate, token("anna"))
    assert lines[-1]["event"] != "came in"  # known already
