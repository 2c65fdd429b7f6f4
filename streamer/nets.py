"""Detectors' networks, shared by the cameras: as many as run at once, not one per camera, each being up to 12 MB.

A network is laid out for one size of input and takes time to change it, so who comes gets one that has his size. Large
and small ones change places too, where too few are kept: each time memory moves by 10 MB.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Net = TypeVar("Net")
Size = tuple[int, int]
MOST_PX = 1_000_000  # of input of the idle networks for each processor, at some 50 bytes a pixel; a camera needs half
NEW: Size = (0, 0)  # of a network that is not laid out yet


class Nets(Generic[Net]):
    """A pool. `make` makes one more; `at_once` of them are in use at most, further takers wait.

    The first is made at once, so that whatever stands in the way of it is raised here.
    """

    def __init__(self, make: Callable[[], Net], at_once: int | None = None) -> None:
        self._make = make
        self._at_once = at_once or os.cpu_count() or 1
        self._turn = threading.BoundedSemaphore(self._at_once)
        self._lock = threading.Lock()
        self._idle: list[tuple[Size, Net]] = [(NEW, make())]  # the one used last comes last

    @contextmanager
    def take(self, size: Size) -> Iterator[Net]:
        """A network, nobody else's until the end of the context; one that had this size last, if there is one."""
        with self._turn:
            net = self._get(size)
            yield net
            with self._lock:
                self._idle.append((size, net))

    def _get(self, size: Size) -> Net:
        spare = None
        with self._lock:
            for index in range(len(self._idle) - 1, -1, -1):
                if self._idle[index][0] in (size, NEW):
                    return self._idle.pop(index)[1]
            while self._idle and self._pixels() + size[0] * size[1] > MOST_PX * self._at_once:
                spare = self._idle.pop(0)[1]
        return self._make() if spare is None else spare

    def _pixels(self) -> int:
        return sum(width * height for (width, height), _ in self._idle)
