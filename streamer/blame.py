"""Which camera was at work when a decoder brought the whole process down, or hung in it.

A segmentation fault can't be caught. But Python's faulthandler writes the stack of the thread it happened in before
the process ends, and a function that is called like the camera at the bottom of that stack says whose it was. Whoever
started the process reads it from a pipe (`unmask.supervisor`) and tells the successor.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from wire.last_words import LAST_WORDS, frame_line, frame_name, is_frame

T = TypeVar("T")


def under(camera: str, work: Callable[[], T]) -> T:
    """What `work` returns, done under the camera's name."""

    def named() -> T:
        return work()

    named.__code__ = named.__code__.replace(co_name=frame_name(camera), co_qualname=frame_name(camera))
    return named()


def accuse(thread: int) -> None:
    """Say that the camera which this thread works for is why the process ends, as a crash of it would."""
    frame, name = sys._current_frames().get(thread), ""
    while frame is not None:
        name = frame.f_code.co_name if is_frame(frame.f_code.co_name) else name
        frame = frame.f_back
    number = os.environ.get(LAST_WORDS, "")
    if name and number:
        with suppress(ValueError, OSError):
            os.write(int(number), frame_line(name).encode())


def listen() -> None:
    """From now on a crash tells its stack: to who started us, where somebody listens, else to standard error."""
    number = os.environ.get(LAST_WORDS, "")
    try:
        faulthandler.enable(int(number), all_threads=False)
    except (ValueError, OSError):
        faulthandler.enable(all_threads=False)
