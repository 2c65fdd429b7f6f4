"""How much of the dashboard one peer may take: connections, time and messages. Pure: the time is passed in."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Phase = Literal["head", "body", "answer"]

HANDSHAKE_S = 10  # for TLS to begin
FAREWELL_S = 5  # and for its end to be answered
HEAD_S = 10.0  # for a request's line and headers, and for the next one on the same connection
BODY_S = 20.0  # for a body, which is 64 KiB at most
STALL_S = 20.0  # within which a peer must take STALL_BYTES of an answer that waits for it
STALL_BYTES = 16 * 1024
MAX_HEAD = 16 * 1024  # bytes of all headers
MAX_TARGET = 4 * 1024  # bytes of path and query
MAX_PARAMETERS = 64
FRAMES, FRAMES_S = 2048, 128.0  # WebSocket frames at once, and per second in the long run
BYTES, BYTES_S = 2 * 1024 * 1024, 64 * 1024.0  # the same in bytes: 16 subscriptions of 128 KiB


def neighbourhood(address: str | None) -> str:
    """What is counted as one address: an IPv4 address, or an IPv6 network of 64 bits, which one host owns whole."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


class Door:
    """Counts open connections, of HTTP and WebSocket together, by what identifies each."""

    def __init__(self, most: int, most_per_address: int) -> None:
        self._most, self._most_per_address = most, most_per_address
        self._inside: dict[object, str] = {}
        self._by_address: Counter[str] = Counter()

    def enter(self, connection: object, address: str | None) -> bool:
        """Count a connection in; whether there is room for it."""
        place = neighbourhood(address)
        if len(self._inside) >= self._most or self._by_address[place] >= self._most_per_address:
            return False
        self._inside[connection] = place
        self._by_address[place] += 1
        return True

    def leave(self, connection: object) -> None:
        """Count it out; nothing happens to one that is not inside."""
        place = self._inside.pop(connection, None)
        if place is not None:
            self._by_address[place] -= 1
            if not self._by_address[place]:
                del self._by_address[place]

    def __len__(self) -> int:
        return len(self._inside)


class Patience:
    """Watches one HTTP connection: a request must arrive, and an answer must be taken, within a time."""

    def __init__(self, now: float) -> None:
        self._phase: tuple[Phase, object] = ("head", None)
        self._since = now
        self._waiting, self._taken = 0, now

    def late(self, phase: Phase, request: object, now: float) -> bool:
        """Whether the head or the body that follows `request` (None: the first) has taken too long."""
        if self._phase[0] != phase or self._phase[1] is not request:
            self._phase, self._since = (phase, request), now
        limit = {"head": HEAD_S, "body": BODY_S}.get(phase)
        return limit is not None and now - self._since > limit

    def stalled(self, waiting: int, now: float) -> bool:
        """Whether the peer takes nothing of the `waiting` bytes of an answer."""
        if waiting == 0 or waiting <= self._waiting - STALL_BYTES or self._waiting == 0:
            self.progress(waiting, now)
        return now - self._taken > STALL_S

    def progress(self, waiting: int, now: float) -> None:
        """The peer has taken some: what waits now is what it has STALL_S for."""
        self._waiting, self._taken = waiting, now


@dataclass(slots=True)
class Budget:
    """A bucket that holds `most` and fills at `per_s`."""

    most: float
    per_s: float
    now: float
    _left: float = -1.0

    def __post_init__(self) -> None:
        self._left = self.most

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` out; False where there is not so much."""
        self._left = min(self.most, self._left + (now - self.now) * self.per_s)
        self.now = now
        self._left -= amount
        return self._left >= 0
