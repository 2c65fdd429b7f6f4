"""The streamer gives free memory back to the kernel."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import pytest

from streamer.memory import EVERY_S, Trim


def test_free_memory_is_given_back_now_and_then() -> None:
    calls: list[int] = []
    trim = Trim(calls.append)
    for now in (0.0, 1.0, EVERY_S - 0.1, EVERY_S, EVERY_S + 1):
        trim.poll(now)
    assert calls == [0, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc and /proc are Linux's")
def test_what_lies_below_something_held_goes_back_to_the_kernel() -> None:
    """Resident memory of this process falls, though glibc alone would keep what a small block above it pins."""
    freed = [bytearray(64_000) for _ in range(1000)]
    pin = bytearray(64_000)
    held = resident()
    del freed
    Trim().poll(0.0)
    assert held - resident() > 30_000_000
    assert pin


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
