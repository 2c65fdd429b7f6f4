"""Slow checks: once for the same question, few at a time, never on the loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dashboard.access import hashing, verifier
from dashboard.access.verifier import Busy, Verifier
from tests.dashboard.people import person


def test_hashes_are_argon2id_of_full_strength_and_tell_right_from_wrong() -> None:
    hash = hashing.made("a secret \ud800")
    assert hash.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    hashing.check(hash)
    assert hashing.matches(hash, "a secret \ud800")
    assert not hashing.matches(hash, "a secret")
    assert not hashing.matches("nonsense", "a secret")
    assert hashing.made("a secret \ud800") != hash
    assert len(hashing.new_secret()) >= 43


@pytest.mark.parametrize(
    "hash",
    ["", "s3cret", "$2b$12$abcdefghijklmnopqrstuv", "$argon2i$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
     "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2g",
     "$argon2id$v=19$m=8,t=99,p=1$c29tZXNhbHQ$aGFzaGhhc2g"],
)  # fmt: skip
def test_what_is_no_hash_of_ours_is_refused(hash: str) -> None:
    with pytest.raises(ValueError, match=r"Argon2|more than"):
        hashing.check(hash)


def test_the_same_question_is_worked_out_once_and_only_a_right_one_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    free = threading.Event()

    def slow(_hash: str, secret: str) -> bool:
        asked.append(secret)
        free.wait(5)
        return secret == "right"

    monkeypatch.setattr(hashing, "matches", slow)

    async def main() -> None:
        one = Verifier()
        many = [asyncio.create_task(one.matches("h", "right")) for _ in range(100)]
        await asyncio.sleep(0)
        free.set()
        assert all(await asyncio.gather(*many))
        assert await one.matches("h", "right")
        assert asked == ["right"]
        assert not await one.matches("h", "wrong")
        assert not await one.matches("h", "wrong")
        assert asked == ["right", "wrong", "wrong"]

    asyncio.run(main())


def test_more_than_can_wait_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "WAITING", 3)
    running, most, lock, free = 0, 0, threading.Lock(), threading.Event()

    def slow(_hash: str, _secret: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        free.wait(5)
        with lock:
            running -= 1
        return False

    monkeypatch.setattr(hashing, "matches", slow)

    async def main() -> None:
        one = Verifier()
        tasks = [asyncio.create_task(one.matches("h", str(number))) for number in range(5)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await one.matches("h", "another")
        free.set()
        assert not any(await asyncio.gather(*tasks))
        assert most <= verifier.THREADS

    asyncio.run(main())


def test_what_is_remembered_holds_no_secret() -> None:
    async def main() -> None:
        one, user = Verifier(), person("anna")
        assert await one.matches(user.hash, "anna-knows-0123456789-abcdefghijklmnop")
        assert all(b"anna-knows" not in mark and len(mark) == 32 for mark in one._right)

    asyncio.run(main())
