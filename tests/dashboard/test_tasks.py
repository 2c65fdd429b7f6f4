from __future__ import annotations

import asyncio

import pytest

from dashboard.tasks import end, until_first


def test_a_task_that_swallows_its_cancellation_is_ended_all_the_same() -> None:
    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    async def dying() -> None:
        raise ValueError("cause")

    async def run() -> list[BaseException | None]:
        tasks = [asyncio.create_task(stubborn()), asyncio.create_task(dying()), asyncio.create_task(asyncio.sleep(60))]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            return await end(tasks)

    deaths = asyncio.run(run())
    assert deaths[0] is None
    assert isinstance(deaths[1], ValueError)
    assert deaths[2] is None


async def _forever(told: list[str]) -> None:
    try:
        await asyncio.sleep(60)
    finally:
        told.append("ended")


def test_the_first_to_end_ends_the_others() -> None:
    async def first() -> None:
        await asyncio.sleep(0)

    told: list[str] = []
    asyncio.run(until_first(_forever(told), first(), _forever(told)))
    assert told == ["ended", "ended"]


def test_what_the_first_dies_of_is_raised_once_the_others_have_ended() -> None:
    async def dying() -> None:
        await asyncio.sleep(0)
        raise ValueError("cause")

    told: list[str] = []
    with pytest.raises(ValueError, match="cause"):
        asyncio.run(until_first(_forever(told), dying()))
    assert told == ["ended"]


def test_whoever_is_cancelled_takes_all_along() -> None:
    async def run() -> list[str]:
        told: list[str] = []
        task = asyncio.create_task(until_first(_forever(told), _forever(told)))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return told

    assert asyncio.run(run()) == ["ended", "ended"]
