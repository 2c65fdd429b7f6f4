"""A stop that ends: whatever a library still waits for, the process leaves in time."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn


def leave() -> NoReturn:
    """Exit with code 0 at once: all is done, and taking large libraries down in order may take seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def leave_within(seconds: float) -> None:
    """Exit with code 0 after `seconds` unless the process has ended by then.

    For what can't be cancelled: a name that does not resolve, a reply that never comes, a codec that blocks.
    """
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()
