"""Runs the services as child processes: restarts a dead one within a budget, and stops all of them in order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from wire.errors import ServiceError
from wire.telemetry import Log

RESTARTS, WITHIN_S = 5, 60.0
STOP_S = 4.0
PERIOD_S = 0.2


@dataclass
class Child:
    """One service: how it is started, and how it has fared."""

    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    hint: str = "its own log lines above say why"
    when: Callable[[], bool] = lambda: True  # it is started as soon as this says so
    process: subprocess.Popen[bytes] | None = None
    was_ready: bool = False
    deaths: deque[float] = field(default_factory=deque)

    def start(self) -> None:
        """Start the process; on Linux it dies with this one, however this one dies."""
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops the services in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def may_restart(self, now: float) -> bool:
        """Count a death at `now`; whether it is within the budget."""
        self.deaths.append(now)
        while self.deaths and now - self.deaths[0] > WITHIN_S:
            self.deaths.popleft()
        return len(self.deaths) <= RESTARTS


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Supervisor:
    """Children in the order they are started; they are stopped in the opposite order."""

    def __init__(self, log: Log, is_ready: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._log, self._is_ready, self._clock = log, is_ready, clock
        self._children: list[Child] = []
        self._stop = threading.Event()

    def add(self, child: Child) -> None:
        """Start a child in `watch` when its time has come, and look after it from then on."""
        self._children.append(child)

    def stop(self) -> None:
        """Make `watch` return; may be called from a signal handler."""
        self._stop.set()

    def watch(self, each: Callable[[], None] = lambda: None) -> int:
        """Until `stop`, or until a child can't be kept alive; the exit code. `each` runs several times a second."""
        try:
            while not self._stop.wait(PERIOD_S):
                each()
                for child in self._children:
                    if (code := self._look_after(child)) is not None:
                        return code
            return 0
        finally:
            self.end()

    def _look_after(self, child: Child) -> int | None:
        """Start it, or restart it if dead. The exit code to end with when it explained that it can't run at all."""
        if child.process is None:
            if child.when():
                child.start()
            return None
        child.was_ready = child.was_ready or self._is_ready(child.name)
        code = child.process.poll()
        if code is None:
            return None
        if code in (1, 2) and not child.was_ready:  # it said why in its one line
            return code
        if not child.may_restart(self._clock()):
            raise ServiceError(f"{child.name} died {RESTARTS + 1} times within {WITHIN_S:.0f} s", child.hint)
        self._log.warning("restarting a service that died", child=child.name, code=code, deaths=len(child.deaths))
        child.start()
        return None

    def end(self) -> None:
        """SIGTERM in the opposite order of starting, SIGKILL for what does not go in time."""
        for child in reversed(self._children):
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._log.error("killing a service that does not stop", child=child.name)
                child.process.kill()
                child.process.wait()
