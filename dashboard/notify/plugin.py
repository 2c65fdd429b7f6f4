"""A notifier of the operator's own: a guest (`wire.guest`), started by the first event and again after it fell."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

from dashboard.history import Entry
from dashboard.notify.channel import LONGEST_WAIT_S, TEST, Refused, TryLater, passes
from dashboard.notify.courier import Courier
from dashboard.notify.guest import Told
from wire.guest import Guest, GuestError, line, understood
from wire.messages import AlertEvent
from wire.plugins import find
from wire.redact import redact
from wire.settings import NotifierSettings, plain

START_S = 30.0


class PluginChannel:
    """One notifier. Raises ConfigError where it is not installed."""

    kind = "plugin"

    def __init__(self, name: str, settings: NotifierSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.name, self.give_up_s = name, settings.give_up_s
        self._settings, self._clock = settings, clock
        plugin = find("notifier", settings.plugin, f"notify.plugins.{name.removeprefix('plugin-')}.plugin")
        self._guest = Guest("dashboard.notify.guest", plugin, plain(settings.options), START_S, settings.timeout_s)
        self._called, self._one, self._next = str(plugin), threading.Lock(), float("-inf")
        self._closings = 0

    def wants(self, event: AlertEvent) -> bool:
        """See Channel."""
        return passes(self._settings, self._settings.events, event)

    async def deliver(self, entry: Entry) -> None:
        """See Channel."""
        await asyncio.sleep(max(0.0, self._next - self._clock()))
        self._next = self._clock() + self._settings.every_s
        await self._send(entry.text.encode())

    async def test(self) -> None:
        """See Channel."""
        try:
            await self._send(TEST)
        finally:
            self.close()

    def close(self) -> None:
        """End its process, and one that is being started; the next event starts another."""
        self._closings += 1
        self._guest.close()

    async def _send(self, message: bytes) -> None:
        try:
            settle(await asyncio.to_thread(self._call, message, self._closings))
        except GuestError as error:
            raise TryLater(f"notifier {self._called}: {error.reason}") from None

    def _call(self, message: bytes, closings: int) -> bytes:
        """The guest's reply, unless it was closed since this was asked for."""
        with self._one:  # whoever stopped waiting for a call does not end it
            if not self._guest.alive and closings == self._closings:
                self._guest.start()
            if closings != self._closings:
                self._guest.close()
            return self._guest.call(message)


def settle(reply: bytes) -> None:
    """What a notifier's process answered. Raises TryLater, Refused, and GuestError where it is something else."""
    told = understood(reply, Told)
    reason = line(redact(told.reason))
    if told.outcome == "later":
        asked = told.wait_s if told.wait_s is not None and told.wait_s > 0 else None  # not-a-number is no wait either
        raise TryLater(reason, asked and min(asked, LONGEST_WAIT_S))
    if told.outcome == "refused":
        raise Refused(reason)


class PluginCourier(Courier):
    """Its deliverer, which leaves no process behind."""

    async def run(self) -> None:
        """See Courier."""
        try:
            await super().run()
        finally:
            assert isinstance(self._channel, PluginChannel)
            self._channel.close()
