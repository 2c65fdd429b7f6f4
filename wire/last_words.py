"""How a service that crashes says whose work it was at, and how its successor learns of it.

The supervisor gives a service the writing end of a pipe. In a crash Python's faulthandler writes the stack of the
thread it happened in there; a function at its bottom is called like the camera. The supervisor keeps the name and
hands it to the process it starts next.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

LAST_WORDS = "UNMASK_LAST_WORDS"  # number of the file that takes the stack
CRASHED = "UNMASK_CRASHED"  # the camera that the process before this one was at work for when it crashed
_FRAME = re.compile(r" in camera:([A-Za-z0-9][A-Za-z0-9_.-]{0,63})$", re.MULTILINE)


def frame_name(camera: str) -> str:
    """What a function that works for a camera is called."""
    return f"camera:{camera}"


def is_frame(name: str) -> bool:
    """Whether a function called so works for a camera."""
    return name.startswith(frame_name(""))


def frame_line(name: str) -> str:
    """A line as faulthandler writes it, for a function of this name."""
    return f'  File "-", line 0 in {name}\n'


def camera_of(stack: str) -> str:
    """The camera whose function is in faulthandler's text; empty where there is none."""
    found = _FRAME.findall(stack)
    return found[-1] if found else ""


def predecessors_camera(environment: Mapping[str, str] = os.environ) -> str:
    """The camera that made our predecessor crash; empty where none did, or nobody knows."""
    return environment.get(CRASHED, "")
