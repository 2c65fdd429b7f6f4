"""One answer for all who ask at once, and not too often: for what anybody may ask, and costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

LEAST_S = 0.25  # between the beginnings of two looks


class SharedLook:
    """A look that is taken once for all who ask while it is under way."""

    def __init__(self, look: Callable[[], Awaitable[bool]]) -> None:
        self._look, self._began = look, float("-inf")
        self._task: asyncio.Task[bool] | None = None

    async def answer(self) -> bool:
        """What the look under way says, or the next one."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await asyncio.shield(self._task)  # one that hangs up ends it for nobody else

    async def _run(self) -> bool:
        await asyncio.sleep(self._began + LEAST_S - time.monotonic())
        self._began = time.monotonic()
        return await self._look()
