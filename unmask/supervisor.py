"""Runs the services as child processes: restarts a dead or hung one within a budget, and stops all of them in order."""

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

from unmask.last_words import LastWords
from unmask.signs import Ear, Ears
from wire.errors import ServiceError
from wire.heartbeat import RESTARTS as RESTARTS_VARIABLE
from wire.telemetry import Log
from wire.watchdog import HUNG_S, notify

RESTARTS, WITHIN_S = 5, 60.0
BACKOFF_S = (0.0, 0.5, 1.0, 2.0, 4.0)  # before a restart, by the deaths within WITHIN_S
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
    heard: Callable[[], float] | None = None  # when one that gives no sign of life by itself last answered
    words: LastWords = field(default_factory=LastWords)
    process: subprocess.Popen[bytes] | None = None
    ear: Ear | None = None
    was_ready: bool = False
    restarts: int = -1
    started: float = 0.0
    due: float = 0.0  # when a dead one is started again
    since: float = 0.0  # when silence began to count
    deaths: deque[float] = field(default_factory=deque)

    def start(self, now: float) -> None:
        """Start the process at `now`; on Linux it dies with this one, however this one dies."""
        self.restarts += 1
        self.started, self.since = now, float("inf")
        told = {RESTARTS_VARIABLE: str(self.restarts)}
        if self.ear is not None:
            self.ear.forget()
            told |= self.ear.environment()
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.env, **told, **self.words.environment()},
            pass_fds=self.words.inherited,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C goes to the supervisor alone, which stops the services in order
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    def may_restart(self, now: float) -> bool:
        """Count a death at `now`; whether it is within the budget, which sets when it is `due` again."""
        self.deaths.append(now)
        while self.deaths and now - self.deaths[0] > WITHIN_S:
            self.deaths.popleft()
        self.due = now + BACKOFF_S[min(len(self.deaths), len(BACKOFF_S)) - 1]
        return len(self.deaths) <= RESTARTS

    def has_answered(self) -> bool:
        """Whether one that gives no sign of life by itself has answered since it was started."""
        return self.heard is not None and self.heard() > self.started

    def silent_s(self, now: float) -> float:
        """For how long it has given no sign of life, since its first; 0 while it starts."""
        if self.heard is not None:
            if (heard := self.heard()) > self.started:
                self.since = max(heard, self.since) if self.since < float("inf") else heard
            return max(0.0, now - self.since)
        if self.ear is None:
            return 0.0
        self.ear.listen(now)
        return self.ear.silent_s(now)

    def shift(self, seconds: float) -> None:
        """For so long nobody looked: that is not counted as silence."""
        self.since += seconds
        if self.ear is not None:
            self.ear.shift(seconds)


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

    def watch(self) -> int:
        """Until `stop`, or until a child can't be kept alive; the exit code."""
        with Ears() as ears:
            for child in self._children:
                child.ear = ears.open() if child.heard is None else None
            try:
                return self._watch()
            finally:
                self.end()

    def _watch(self) -> int:
        looked = self._clock()
        while not self._stop.wait(PERIOD_S):
            now = self._clock()
            if (missed := now - looked) > HUNG_S / 2:  # it was us who stood still
                for child in self._children:
                    child.shift(missed)
            looked = now
            notify()  # we may be watched ourselves
            for child in self._children:
                if (code := self._look_after(child)) is not None:
                    return code
        return 0

    def _look_after(self, child: Child) -> int | None:
        """Start it, or restart it if dead. The exit code to end with when it explained that it can't run at all."""
        now = self._clock()
        if child.process is None:
            if now >= child.due and (child.restarts >= 0 or child.when()):
                child.start(now)
            return None
        child.was_ready = child.was_ready or self._is_ready(child.name) or child.has_answered()
        code = child.process.poll()
        if code is None:
            self._kill_if_hung(child, now)
            return None
        if code in (1, 2) and not child.was_ready:  # it said why in its one line
            if child.heard is not None:  # a server, which says it in a file
                raise ServiceError(f"{child.name} does not start", child.hint)
            return code
        if camera := child.words.heard():  # the streamer keeps it out from now on: not the service's own weakness
            self._log.error("a camera has brought a service down", child=child.name, code=code, camera=camera)
        elif not child.may_restart(now):
            raise ServiceError(f"{child.name} died {RESTARTS + 1} times within {WITHIN_S:.0f} s", child.hint)
        self._log.warning(
            "restarting a service that died", child=child.name, code=code, deaths=len(child.deaths),
            restarts=child.restarts + 1, wait_s=round(max(0.0, child.due - now), 1),
        )  # fmt: skip
        child.process = None
        return None

    def _kill_if_hung(self, child: Child, now: float) -> None:
        """Only SIGKILL reaches one that has stopped; the next look finds it dead."""
        assert child.process is not None
        silent = child.silent_s(now)
        if silent > HUNG_S:
            self._log.error("killing a service that hangs", child=child.name, silent_s=round(silent, 1))
            child.process.kill()
            child.process.wait()

    def end(self) -> None:
        """SIGTERM in the opposite order of starting, SIGKILL for what does not go in time."""
        for child in reversed(self._children):
            child.words.close()
            if child.process is None or child.process.poll() is not None:
                continue
            child.process.terminate()
            try:
                child.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._log.error("killing a service that does not stop", child=child.name)
                child.process.kill()
                child.process.wait()
