"""A pipe on which one child after the other leaves the stack it crashed with."""

from __future__ import annotations

import os

from wire.last_words import CRASHED, LAST_WORDS, camera_of

MOST = 65_536  # bytes; a pipe holds no more


class LastWords:
    """For one supervised service; both ends stay open here, so that nothing is lost between two processes."""

    def __init__(self) -> None:
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._ear, False)
        os.set_blocking(self._mouth, False)
        self._camera = ""

    @property
    def inherited(self) -> tuple[int, ...]:
        """Files the child needs."""
        return (self._mouth,)

    def environment(self) -> dict[str, str]:
        """What the next child is told: where to write, and what the last one wrote."""
        return {LAST_WORDS: str(self._mouth), CRASHED: self._camera}

    def heard(self) -> str:
        """The camera the child that has just died was at work for; empty where it named none."""
        try:
            text = os.read(self._ear, MOST).decode(errors="replace")
        except BlockingIOError:
            text = ""
        self._camera = camera_of(text)
        return self._camera

    def close(self) -> None:
        """No child is started any more."""
        os.close(self._ear)
        os.close(self._mouth)
