"""Which of several `unmask run` of one machine and one Redis this is: their services must not bear the same names.

Two streamers of one name would both hold its leases, and read each camera twice.
"""

from __future__ import annotations

import hashlib
import socket
import sys
from types import TracebackType
from typing import Self

MOST = 64


class Slot:
    """The lowest number that no other process on this machine holds for this Redis; given back when the process ends.

    Linux has names of sockets that are no files and end with their process; elsewhere the number is 0.
    """

    def __init__(self, url: str, prefix: str) -> None:
        key = hashlib.sha256(f"{url}\0{prefix}".encode()).hexdigest()[:16]
        self._name = f"\0unmask-{key}-"
        self._held: socket.socket | None = None
        self.number = 0

    def __enter__(self) -> Self:
        for number in range(MOST) if sys.platform == "linux" else ():
            held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                held.bind(f"{self._name}{number}")
            except OSError:
                held.close()
            else:
                self._held, self.number = held, number
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held:
            self._held.close()
