"""RTSP cameras that fail: each a server process of its own, and a seeded plan of who fails how, when, for how long."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unmask.bench import rtsp
from wire.errors import ServiceError

Kind = Literal["killed", "frozen"]
SHORT_S, LONG_S = (3.0, 15.0), (35.0, 45.0)  # the long ones raise alerts of the camera itself
LONG_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Fault:
    """Seconds after the start at which a camera fails, how, and when it is back."""

    at: float
    until: float
    camera: int
    kind: Kind


def plan(seed: int, cameras: int, every_s: float) -> Iterator[Fault]:
    """Faults for ever, one at a time; one begins `every_s` after the last has ended, half to one and a half of it."""
    chance, now = random.Random(seed), 0.0
    while True:
        now += every_s * chance.uniform(0.5, 1.5)
        camera, kind = chance.randrange(cameras), chance.choice(("killed", "frozen"))
        lasts = chance.uniform(*(LONG_S if chance.random() < LONG_SHARE else SHORT_S))
        yield Fault(now, now + min(lasts, every_s), camera, "killed" if kind == "killed" else "frozen")
        now += min(lasts, every_s)


class Camera:
    """One camera: its server, which keeps its port over every fault. A context that ends the server."""

    def __init__(self, name: str, clip: Path, fps: int) -> None:
        self.name, self._clip, self._fps = name, clip, fps
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def __enter__(self) -> Camera:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Its address, known once it was started."""
        return f"rtsp://127.0.0.1:{self._port}/cam0"

    def start(self) -> None:
        """Serve, on the port it had. Raises ServiceError."""
        command = [*rtsp.COMMAND, str(self._port), "--file", str(self._clip), "--fps", str(self._fps)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        word, _, port = self._process.stdout.readline().partition(" ")
        if word != "ready":
            self.kill()  # nobody else will: who enters it and fails does not leave it
            raise ServiceError(f"the RTSP server of {self.name} did not start", "look at what it printed above")
        self._port = int(port)

    def kill(self) -> None:
        """As a power cut: at once, whatever it was doing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None

    def fail(self, kind: Kind) -> None:
        """Killed, or frozen: the sockets stay open and say nothing."""
        if kind == "killed":
            self.kill()
        elif self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def heal(self, kind: Kind) -> None:
        """Back. Raises ServiceError."""
        if kind == "killed":
            self.start()
        elif self._process is not None:
            self._process.send_signal(signal.SIGCONT)
