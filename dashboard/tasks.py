"""Running tasks together, and ending them for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

AGAIN_S = 0.1


async def until_first(*work: Coroutine[Any, Any, None]) -> None:
    """Run all of `work` until the first ends, then end the others. Raises what the first did."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await end(tasks)


async def end(tasks: Collection[asyncio.Task[Any]]) -> list[BaseException | None]:
    """Cancel the tasks until each has ended; what each died of.

    Once is not enough: a cancellation that meets a reply inside the Redis client can be taken for a lost connection.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
    return [None if task.cancelled() else task.exception() for task in tasks]
