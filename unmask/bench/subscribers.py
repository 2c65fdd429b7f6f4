"""Many subscribers in one process, as light as can be: they must not be what is measured.

`python -m unmask.bench.subscribers PORT COUNT STALLED EVENTS [TOPIC ...]`: connects, says `ready`, counts EVENTS alert
events per subscriber, and prints what it saw as JSON when all have come or standard input ends. Of 0 events nobody
knows which come: all are counted until standard input ends. The tokens in TOKENS are taken by turns.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from websockets.frames import Frame, Opcode

UPGRADE = (
    "GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HELLO = {"type": "hello", "version": 1}
ALERTS = ("alerts",)
TOKENS = "UNMASK_BENCH_TOKENS"  # environment: separated by blanks
AT, NUMBER, ALERT = b'"at":', b'"windows":', b'{"type":"alert"'  # NUMBER: which event it is, see `dashboard._event`
CONNECT_AT_ONCE = 50
AFTER_S = 0.2


@dataclass
class Tally:
    """What all subscribers of this process saw."""

    latencies: array[float] = field(default_factory=lambda: array("d"))  # seconds from publication to arrival
    seen: list[bytearray] = field(default_factory=list)  # by subscriber: how often each event came, 255 at most
    received: list[int] = field(default_factory=list)  # different events, by subscriber
    subscribed: int = 0
    closed: int = 0
    closed_stalled: int = 0

    def missing(self, first: int) -> int:
        """Events that subscribers from `first` on did not get."""
        return sum(seen.count(0) for seen in self.seen[first:])

    def doubled(self, first: int) -> int:
        """Events that they got more than once, each time too many counted."""
        return sum(sum(seen) - (len(seen) - seen.count(0)) for seen in self.seen[first:])


class Subscriber(asyncio.Protocol):
    """A WebSocket client that knows just enough: unmasked server frames (RFC 6455), alert events, and pings."""

    def __init__(self, tally: Tally, port: int, stalled: bool, events: int, topics: Sequence[str], token: str) -> None:
        self._hello = {**HELLO, "token": token} if token else HELLO
        self._tally, self._port, self._stalled, self._topics = tally, port, stalled, list(topics)
        self._buffer, self._upgraded = bytearray(), False
        self._number = len(tally.received)
        tally.received.append(0)
        tally.seen.append(bytearray(events))
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade, and say everything at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(UPGRADE.format(port=self._port).encode())

    def connection_lost(self, _error: Exception | None) -> None:
        """Count it: nobody should be closed who takes what comes."""
        self._tally.closed += not self._stalled
        self._tally.closed_stalled += self._stalled
        self._transport = None

    def resume(self) -> None:
        """Take what was left lying, and so notice that the server has hung up."""
        if self._transport:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take whole frames off the buffer."""
        now = time.time()
        self._buffer += data
        if not self._upgraded:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._upgraded = True
            del self._buffer[: end + 4]
            self._say(self._hello)
            self._say({"type": "subscribe", "id": "bench", "topics": self._topics})
        at = 0
        while (taken := self._frame(at, now)) > at:
            at = taken
        del self._buffer[:at]

    def _frame(self, at: int, now: float) -> int:
        """Take the frame at `at`; where the next begins, or `at` where it is not whole."""
        data = self._buffer
        if len(data) < at + 2:
            return at
        start, length = at + 2, data[at + 1] & 0x7F
        if length >= 126:
            wide = 2 if length == 126 else 8
            if len(data) < start + wide:
                return at
            length = int.from_bytes(data[start : start + wide], "big")
            start += wide
        if len(data) < start + length:
            return at
        self._take(data[at] & 0x0F, start, start + length, now)
        return start + length

    def _take(self, opcode: int, start: int, end: int, now: float) -> None:
        data = self._buffer
        if opcode == Opcode.PING:
            self._send(Frame(Opcode.PONG, bytes(data[start:end])))
        elif data.startswith(ALERT, start):
            self._tally.latencies.append(now - float(_value(data, AT, start)))
            self._count(int(_value(data, NUMBER, start)))
        elif data.startswith(b'{"type":"subscribed"', start):
            self._tally.subscribed += 1
            if self._stalled and self._transport:
                self._transport.pause_reading()

    def _count(self, event: int) -> None:
        seen = self._tally.seen[self._number]
        if not seen:
            self._tally.received[self._number] += 1
            return
        self._tally.received[self._number] += not seen[event]
        seen[event] = min(255, seen[event] + 1)

    def _say(self, message: Mapping[str, object]) -> None:
        self._send(Frame(Opcode.TEXT, json.dumps(message).encode()))

    def _send(self, frame: Frame) -> None:
        assert self._transport is not None
        self._transport.write(frame.serialize(mask=True))


def _value(data: bytearray, name: bytes, start: int) -> bytearray:
    """The number after the first `name` from `start` on."""
    found = data.index(name, start) + len(name)
    return data[found : data.index(b",", found)]


async def main(port: int, count: int, stalled: int, events: int, topics: Sequence[str] = ALERTS) -> None:
    """Run them all, and print the result."""
    tally, loop = Tally(), asyncio.get_running_loop()
    crowd: list[Subscriber] = []
    tokens = os.environ.get(TOKENS, "").split() or [""]

    def join(number: int) -> Subscriber:
        crowd.append(Subscriber(tally, port, number < stalled, events, topics, tokens[number % len(tokens)]))
        return crowd[-1]

    for first in range(0, count, CONNECT_AT_ONCE):
        numbers = range(first, min(count, first + CONNECT_AT_ONCE))
        await asyncio.gather(*(loop.create_connection(partial(join, n), "127.0.0.1", port) for n in numbers))
        while tally.subscribed < numbers.stop:
            await asyncio.sleep(0.01)
    print("ready", flush=True)  # noqa: T201 - the parent waits for this line
    told = loop.run_in_executor(None, sys.stdin.read)
    while not told.done() and (not events or min(tally.received[stalled:], default=0) < events):
        await asyncio.sleep(0.05)
    await asyncio.sleep(AFTER_S)  # what came twice would come now
    found = result(tally, stalled)
    for one in crowd[:stalled]:
        one.resume()
    await asyncio.sleep(AFTER_S if stalled else 0)
    print(json.dumps({**found, "closed_stalled": tally.closed_stalled}), flush=True)  # noqa: T201
    os._exit(0)  # the thread that reads standard input can't be ended


def result(tally: Tally, stalled: int) -> dict[str, float]:
    """What those saw who took what came: all but the first `stalled`."""
    p50, p99 = np.percentile(np.frombuffer(tally.latencies), [50, 99]) if tally.latencies else (float("nan"),) * 2
    return {
        "missing": tally.missing(stalled), "doubled": tally.doubled(stalled), "closed": tally.closed,
        "received": sum(tally.received[stalled:]), "p50_ms": p50 * 1000, "p99_ms": p99 * 1000,
    }  # fmt: skip


if __name__ == "__main__":
    _port, _count, _stalled, _events = map(int, sys.argv[1:5])
    asyncio.run(main(_port, _count, _stalled, _events, sys.argv[5:] or ALERTS))
