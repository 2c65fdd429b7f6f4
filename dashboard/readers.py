"""Whether the readers of Redis get answers: the state of each by its name, and of the whole. Pure, with a given time.

A Redis that stands still, or that can't be reached any more, breaks no connection: nothing is heard of it until a
socket gives up (`wire.bus.SOCKET_TIMEOUT_S`). A reader that follows a stream has an answer every BLOCK_MS, be it that
nothing is new; one that has none for SILENT_S counts as lost, and is well again with the next.
"""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.protocol import BusStatus

SILENT_S = 3.0  # a second more than a reader waits for what is new (`dashboard.tail.BLOCK_MS`)
STOOD_S = 0.75  # since we last looked; beyond, it was us who stood still, and answers are yet to be read


class Readers:
    """The readers, by name. Times are of a monotonic clock."""

    def __init__(self, now: float) -> None:
        self._states: dict[str, BusStatus] = {}
        self._answered: dict[str, float] = {}
        self._looked = now

    @property
    def status(self) -> BusStatus:
        """What all readers have, the whole has."""
        found = set(self._states.values())
        return "lost" if "lost" in found else "loading" if "loading" in found else "ok"

    def begin(self, name: str) -> None:
        """One that reads a stream: it loads, and has had no answer yet."""
        self._states[name], self._answered[name] = "loading", float("-inf")

    def turn(self, name: str, state: BusStatus) -> BusStatus:
        """It follows its stream now, or has lost Redis; how it was before."""
        was, self._states[name] = self._states.get(name, "loading"), state
        return was

    def answered(self, name: str, now: float) -> None:
        """It had an answer."""
        self._answered[name] = now

    def stuck(self, since: float) -> Sequence[str]:
        """Those that load still and have had no answer since then."""
        return self._without("loading", since)

    def silent(self, now: float) -> Sequence[str]:
        """Those that follow a stream and have had no answer for SILENT_S. To be asked twice a second: where it is asked
        later, nobody is silent for what it was late by."""
        stood = max(0.0, now - self._looked - STOOD_S)
        self._answered = {name: min(now, at + stood) for name, at in self._answered.items()}
        self._looked = now
        return self._without("ok", now - SILENT_S)

    def _without(self, state: BusStatus, since: float) -> Sequence[str]:
        return [name for name, at in self._answered.items() if self._states[name] == state and at < since]
