"""A stop that ends: whatever a library still waits for, the process leaves in time."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn


def leave() -> NoReturn:
    """Exit with code 0 at once: all is done, and taking large libraries down in order may take seconds."""
    for file in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a disk that is full, a reader that went away
            file.flush()
    os._exit(0)


def leave_within(seconds: float) -> None:
    """Exit with code 0 after `seconds` unless the process has ended by then.

    For what can't be cancelled: a name that does not resolve, a reply that never comes, a codec that blocks.
    """
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Raise the KeyboardInterrupt of a Ctrl-C in the block only once the block has ended.

    For a library that calls Python of its own and takes whatever that raises for a failure of its own, or for nothing.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # nothing is raised then
        yield
        return
    held = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: held.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if held.is_set():
            raise KeyboardInterrupt
