"""Memory that is free, given back.

Decoders and searches take tens of megabytes in the cameras' threads and let them go within milliseconds or with the
connection. glibc keeps what lies below anything still held, in an arena for each thread, so that resident memory
follows chance and not what is held. `malloc_trim` (glibc 2.8) hands the free pages of all arenas to the kernel.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

EVERY_S = 30.0


class Trim:
    """Gives free memory back now and then; where the C library can't, it does nothing."""

    def __init__(self, give_back: Callable[[int], object] | None = None) -> None:
        self._give_back = give_back or _malloc_trim()
        self._last = float("-inf")

    def poll(self, now: float) -> None:
        """Do it if the last time was long ago. `now`: monotonic seconds."""
        if self._give_back is not None and now - self._last >= EVERY_S:
            self._last = now
            self._give_back(0)


def _malloc_trim() -> Callable[[int], object] | None:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
