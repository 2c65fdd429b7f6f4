"""A look that many ask for."""

from __future__ import annotations

import asyncio

import pytest

from dashboard import look as module
from dashboard.look import SharedLook


def test_all_who_ask_at_once_share_one_and_who_asks_later_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_S", 0.0)
    looks: list[int] = []

    async def look() -> bool:
        looks.append(1)
        await asyncio.sleep(0)
        return len(looks) == 1

    async def main() -> None:
        one = SharedLook(look)
        assert await asyncio.gather(*(one.answer() for _ in range(50))) == [True] * 50
        assert await one.answer() is False
        assert len(looks) == 2

    asyncio.run(main())


def test_who_gives_up_takes_the_answer_from_nobody() -> None:
    async def main() -> None:
        over = asyncio.Event()

        async def look() -> bool:
            await over.wait()
            return True

        one = SharedLook(look)
        leaves, stays = asyncio.create_task(one.answer()), asyncio.create_task(one.answer())
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.sleep(0)
        over.set()
        assert await stays

    asyncio.run(main())
