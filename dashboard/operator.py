"""What an operator decides, written to Redis: reviews of alerts, snoozes of cameras. Never a score."""

from __future__ import annotations

from typing import Any

import redis
import redis.asyncio
from msgspec.structs import replace

from wire.keys import FIELD, Keys
from wire.messages import Alert, AlertEvent, Review, Snooze


async def review(bus: redis.asyncio.Redis, keys: Keys, said: Review, keep_s: float) -> AlertEvent | None:
    """Keep a review and tell of it in the stream, in one transaction; None where the alert is not kept.

    The event holds the alert as it stands: the transaction fails, and is tried again, when the worker changes it
    meanwhile. The alert is kept for as long as its review. Raises redis errors.
    """
    alert, now = said.alert, said.at
    keep_ms = round(keep_s * 1000)
    async with bus.pipeline(transaction=True) as pipe:
        while True:
            await pipe.watch(keys.alert(alert))
            [data] = await pipe.mget(keys.alert(alert))
            stands = Alert.read(data)
            if stands is None:
                return None
            event = AlertEvent(event="review", at=now, alert=replace(stands, review=said))
            entry: dict[Any, Any] = {FIELD: event.encode()}
            pipe.multi()  # type: ignore[no-untyped-call]
            pipe.set(keys.review(alert), said.encode(), px=keep_ms)
            pipe.pexpire(keys.alert(alert), keep_ms)
            pipe.xadd(keys.alerts, entry, minid=max(0, round((now - keep_s) * 1000)), approximate=True)
            try:
                await pipe.execute()
            except redis.WatchError:
                continue  # a worker's commit went through, so someone makes progress
            return event


async def kept_alert(bus: redis.asyncio.Redis, keys: Keys, id: str) -> Alert | None:
    """An alert as it is kept, with its review; None where there is none. Raises redis errors."""
    kept: list[Any] = await bus.mget(keys.alert(id), keys.review(id))
    alert, said = kept
    found, review = Alert.read(alert), Review.read(said)
    return replace(found, review=review) if found and review else found


async def snooze(bus: redis.asyncio.Redis, keys: Keys, snooze: Snooze) -> None:
    """Let no alert open on a camera, or on ALL_CAMERAS, before a time. Raises redis errors."""
    left_ms = max(1, round((snooze.until - snooze.at) * 1000))
    await bus.set(keys.snooze(snooze.camera), snooze.encode(), px=left_ms)


async def wake(bus: redis.asyncio.Redis, keys: Keys, camera: str) -> None:
    """Take a snooze away. Raises redis errors."""
    await bus.delete(keys.snooze(camera))
