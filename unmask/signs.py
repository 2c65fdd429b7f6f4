"""Where children send their signs of life: a datagram socket for each, by systemd's protocol, see `wire.watchdog`."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from wire.watchdog import ADDRESS

SIGN = b"WATCHDOG=1"


class Ear:
    """One child's socket. Its silence counts from its first sign on: until then it starts, or speaks no protocol."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._heard: float | None = None

    def environment(self) -> dict[str, str]:
        """What the child is told."""
        return {ADDRESS: str(self.path)}

    def forget(self) -> None:
        """Another process takes the child's place: what came from the last one says nothing of it."""
        self._drain()
        self._heard = None

    def listen(self, now: float) -> None:
        """Note what has come."""
        if self._drain():
            self._heard = now

    def shift(self, seconds: float) -> None:
        """For so long nobody listened: that is not counted as silence."""
        if self._heard is not None:
            self._heard += seconds

    def silent_s(self, now: float) -> float:
        """Seconds since the last sign; 0 before the first."""
        return 0.0 if self._heard is None else now - self._heard

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()

    def _drain(self) -> bool:
        heard = False
        while True:
            try:
                heard = SIGN in self._socket.recv(4096) or heard
            except OSError:
                return heard


class Ears:
    """A private folder with the sockets."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="unmask-")  # a socket's path must stay under 108 bytes
        self._ears: list[Ear] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ear in self._ears:
            ear.close()
        self._folder.cleanup()

    def open(self) -> Ear:
        """A new one."""
        self._ears.append(Ear(Path(self._folder.name) / str(len(self._ears))))
        return self._ears[-1]
