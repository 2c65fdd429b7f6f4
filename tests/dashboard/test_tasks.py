from __future__ import annotations

import asyncio

from dashboard.tasks import end


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
