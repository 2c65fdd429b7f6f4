"""Whether this process makes progress, and whom that is told.

`Calls` knows of each call that can't be interrupted (a decoder, a network on a device) since when it is under way. A
`Watchdog` looks every second, from a thread of its own. While all is well it tells the supervisor, by systemd's
protocol (sd_notify(3): a datagram `WATCHDOG=1` to $NOTIFY_SOCKET), so that `unmask run`, or a systemd unit with
WatchdogSec=, kills a process that has stopped altogether. When a call hangs it ends the process itself, and whoever
started it starts it again. Nothing less helps: a thread inside a library can't be ended.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from wire.telemetry import Log

HUNG_S = 10.0  # without progress
PERIOD_S = 1.0
EXIT_HUNG = 70  # EX_SOFTWARE of sysexits.h
ADDRESS = "NOTIFY_SOCKET"


class Calls:
    """Calls under way, by thread. Any thread may ask and enter."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[int, tuple[str, float, float]] = {}

    @contextmanager
    def under_way(self, what: str, patience: float = 1.0) -> Iterator[None]:
        """While one of these runs; `what` is for the log. They don't nest within a thread. A call that gives way to
        others may take `patience` times as long as they until it counts as hung."""
        thread = threading.get_ident()
        self._under_way[thread] = (what, self._clock(), patience)
        try:
            yield
        finally:
            self._under_way.pop(thread, None)

    def hung(self, after_s: float) -> str:
        """Which call has not returned for `after_s` times its patience, in words; "" where none."""
        for _, what, lasted in self._late(after_s):
            return f"{what} has not returned for {lasted:.0f} s"
        return ""

    def hung_thread(self, after_s: float) -> int | None:
        """The thread that is in it; None where none."""
        return next((thread for thread, _, _ in self._late(after_s)), None)

    def _late(self, after_s: float) -> Iterator[tuple[int, str, float]]:
        now = self._clock()
        # A copy is made in one step. A list of items is not: each is a new object, for which garbage may be collected
        # first, and a finaliser lets other threads enter or leave in between.
        for thread, (what, since, patience) in self._under_way.copy().items():
            if now - since >= after_s * patience:
                yield thread, what, now - since


def notify(message: bytes = b"WATCHDOG=1") -> None:
    """Tell the supervisor, if there is one; never blocks, never fails."""
    address = os.environ.get(ADDRESS)
    if not address or not hasattr(socket, "AF_UNIX"):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(message, "\0" + address[1:] if address.startswith("@") else address)


class Watchdog:
    """A thread that looks every second until `stop`; `hung` says why there is no progress, "" where there is, and
    `ending` is called before the process ends for it."""

    def __init__(
        self,
        hung: Callable[[], str],
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self._hung, self._log, self._clock, self._ending = hung, log, clock, ending
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; a stop has a time limit of its own."""
        self._end.set()

    def _run(self) -> None:
        last, stopped = self._clock(), float("-inf")
        while True:
            now = self._clock()
            if now - last > 3 * PERIOD_S:  # we were stopped ourselves: so was what seems to hang
                stopped = now
            last = now
            if (why := self._hung()) and now - stopped >= HUNG_S:
                self._log.error("hung: ending this process, to be started again", why=why)
                self._ending()
                with suppress(OSError, ValueError):  # a disk that is full, a reader that went away
                    sys.stderr.flush()
                os._exit(EXIT_HUNG)
            notify()
            if self._end.wait(PERIOD_S):
                return
