"""Delivers the alert stream to one channel: in order, at least once, tried again until it is too late."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence

import redis.asyncio

from dashboard import streams
from dashboard.history import Entry
from dashboard.metrics import Metrics
from dashboard.notify.channel import Channel, Refused, TryLater
from dashboard.notify.place import LEASE_S, LeaseLost, Place
from dashboard.streams import BUS_ERRORS
from wire.keys import Keys
from wire.telemetry import Log, Throttle

BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
BLOCK_S = 2.0
PAUSE_S = 1.0  # before asking again for a lease that another dashboard has, or for Redis
LOG_S = 60.0
OUTCOMES = ("delivered", "refused", "given-up")


class Courier:
    """One channel's deliverer. `run` never ends by itself."""

    def __init__(
        self,
        channel: Channel,
        bus: redis.asyncio.Redis,
        keys: Keys,
        log: Log,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        backoff_s: Sequence[float] = BACKOFF_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self._channel, self._bus, self._stream = channel, bus, keys.alerts
        self._metrics, self._clock, self._backoff_s = metrics, clock, backoff_s
        self._log = log.bind(channel=channel.name)
        self._place = Place(bus, keys, channel.name, lease_s)
        self._throttle = Throttle(time.monotonic, LOG_S)
        for outcome in OUTCOMES:  # a rate needs the 0 before the first 1
            metrics.notifications.labels(channel.name, outcome)

    async def run(self) -> None:
        """Deliver for ever, whenever the channel's lease can be had."""
        while True:
            try:
                if await self._place.take():
                    await self._place.hold(self.follow())
            except LeaseLost:
                self._log.info("another dashboard has the channel")
            except BUS_ERRORS:
                pass  # the hub tells of it
            await asyncio.sleep(PAUSE_S)

    async def follow(self) -> None:
        """Deliver what follows the channel's place; the lease must be held. Raises LeaseLost and redis errors."""
        cursor = await self._place.read()
        while True:
            page = await streams.read_page(self._bus, self._stream, cursor, 100)
            if page.gap:
                self._log.warning("alert events lost before they were delivered", reason=page.gap)
            for entry in page.entries:
                await self._handle(entry)
                await self._place.move(entry.cursor)
            if page.reached != cursor:
                cursor = page.reached
                await self._place.move(cursor)
            elif not page.entries:
                await self._place.wait(cursor, BLOCK_S)

    async def _handle(self, entry: Entry) -> None:
        if self._channel.wants(entry.event):
            outcome = await self._deliver(entry)
            self._metrics.notifications.labels(self._channel.name, outcome).inc()

    async def _deliver(self, entry: Entry) -> str:
        """What became of it: delivered, refused, or given up."""
        until, tries, reason = entry.event.at + self._channel.give_up_s, 0, "too old when its turn came"
        while (now := self._clock()) < until:
            until = min(until, now + self._channel.give_up_s)  # a clock set back must not hold up those that follow
            try:
                await self._channel.deliver(entry)
            except Refused as refused:
                self._say("refused", entry, refused.reason)
                return "refused"
            except Exception as error:
                later = error if isinstance(error, TryLater) else TryLater(f"failed by itself ({type(error).__name__})")
            else:
                if tries:
                    self._log.info("notifications are delivered again", alert=entry.event.alert.id, failed_before=tries)
                return "delivered"
            reason = later.reason
            self._say("not delivered, tried again", entry, reason)
            wait = later.wait_s or self._backoff_s[min(tries, len(self._backoff_s) - 1)] * random.uniform(0.8, 1.2)
            await asyncio.sleep(min(wait, max(0.0, until - self._clock())))
            tries += 1
        self._say("given up", entry, reason)
        return "given-up"

    def _say(self, what: str, entry: Entry, reason: str) -> None:
        held = self._throttle.admit(f"{what} {reason}")
        if held is not None:
            self._log.warning(f"notification {what}", alert=entry.event.alert.id, reason=reason, held_back=held)
