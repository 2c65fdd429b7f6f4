"""A source that shows a picture again and again, as if a camera looked at it: still:PATH."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np

from unmask.plugins import Picture


class Still:
    """A picture, `fps` times a second, its time told by the monotonic clock."""

    def __init__(self, path: str, fps: float) -> None:
        bgr = cv2.imread(path)
        if bgr is None:
            raise FileNotFoundError(path)
        self._rgb = np.asarray(bgr[:, :, ::-1], np.uint8)
        self._period, self._closed = 1 / fps, threading.Event()

    def frames(self) -> Iterator[Picture]:
        """Until it is closed; a frame that is late is not made up for."""
        due = time.monotonic()
        while not self._closed.wait(max(0.0, due - time.monotonic())):
            yield Picture(self._rgb, due)
            due = max(due + self._period, time.monotonic())

    def close(self) -> None:
        """End `frames`."""
        self._closed.set()


def open_still(url: str, fps: float = 10.0) -> Still:
    """The picture behind still:PATH. Raises FileNotFoundError where there is none."""
    return Still(url.partition(":")[2], fps)
