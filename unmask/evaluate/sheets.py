"""Contact sheets of the worst mistakes: the face that decided, as the worker saw it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.evaluate.videos import STRIP, Video
from worker.preprocess import decode, resize

Picture = NDArray[np.uint8]
WORST = 12
CROP_PX, TEXT_PX = 112, 20
PAPER, INK = (255, 255, 255), (40, 40, 40)


def worst(videos: Sequence[Video], label: int) -> list[Video]:
    """Up to WORST videos of this label that were judged most wrongly, the worst first; wrong is beyond 0.5."""
    faces = [video for video in videos if video.item.label == label and video.p_fake is not None]
    wrong = [video for video in faces if (_p(video) < 0.5 if label else _p(video) >= 0.5)]
    return sorted(wrong, key=_p, reverse=not label)[:WORST]


def _p(video: Video) -> float:
    return video.p_fake or 0.0


def strip(video: Video) -> Picture:
    """The kept crops side by side, CROP_PX high."""
    return np.hstack([resize(decode(crop), CROP_PX) for crop in video.strip])


def sheet(videos: Sequence[Video], path: Path) -> None:
    """Write a PNG: a strip for each video under a line with its p_fake, verdict and name."""
    rows = []
    for video in videos:
        line = np.full((TEXT_PX, STRIP * CROP_PX, 3), PAPER, np.uint8)
        text = f"{_p(video):.3f} {video.verdict}  {video.item.name}".encode("ascii", "replace").decode()
        cv2.putText(line, text, (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.38, INK, 1, cv2.LINE_AA)
        crops = np.full((CROP_PX, STRIP * CROP_PX, 3), PAPER, np.uint8)
        found = strip(video)
        crops[:, : found.shape[1]] = found
        rows += [line, crops]
    path.write_bytes(cv2.imencode(".png", np.vstack(rows))[1].tobytes())
