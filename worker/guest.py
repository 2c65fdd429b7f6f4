"""The process in which a detector of the operator's own works: pictures are decoded here, not in the worker's time.

python -m worker.guest, started by `worker.second`. Knows no Redis, no settings and no camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from wire.guest import GuestError, Handler, line, said, serve, understood
from wire.messages import OpinionOutcome, Window
from wire.plugins import Detector, FaceWindow

DECODED = 512  # crops remembered, some 50 kB each: windows overlap
MOST_ODDS = 1e6  # either way: beyond are overflows, not log-odds


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of asking about one window. `logit` only where the outcome is `scored`; `error`: what was raised.

    Raises ValueError where that does not hold, which is a DecodeError in what is read.
    """

    outcome: OpinionOutcome
    logit: float | None = None
    error: str = ""

    def __post_init__(self) -> None:
        scored = self.logit is not None and abs(self.logit) <= MOST_ODDS
        if not scored if self.outcome == "scored" else self.logit is not None:
            raise ValueError(f"{self.outcome} with a score of {self.logit}")


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """One window as it is sent: JPEGs, the seconds since the first of them, and their margin."""

    jpegs: tuple[bytes, ...]
    times: tuple[float, ...]
    margin: float

    @classmethod
    def of(cls, window: Window) -> Asked:
        """What a detector needs of a window, and no more."""
        first = window.frames[0].captured if window.frames else 0.0
        return cls(
            tuple(frame.jpeg for frame in window.frames),
            tuple(frame.captured - first for frame in window.frames),
            window.margin,
        )

    def decoded(self) -> FaceWindow:
        """As the detector gets it. Raises ValueError where a crop is no picture, or of another size."""
        return FaceWindow(np.stack([_decode(jpeg) for jpeg in self.jpegs]), self.times, self.margin)


def handler(detector: Detector) -> Handler:
    """Warm the detector up; what answers batches of Asked with as many Answers."""
    detector.warm_up()

    def answer(request: bytes) -> bytes:
        return msgspec.msgpack.encode(answers(detector, msgspec.msgpack.decode(request, type=list[Asked])))

    return answer


def read(reply: bytes, windows: int) -> list[Answer]:
    """The answers about so many windows. Raises GuestError where the reply is something else."""
    found = understood(reply, list[Answer])
    if len(found) != windows:
        raise GuestError("failed", f"it answers {len(found)} times about {windows} windows")
    return [msgspec.structs.replace(one, error=line(one.error)) for one in found]


def answers(detector: Detector, batch: Sequence[Asked]) -> list[Answer]:
    """All at once; where that raises, each alone, so that one window costs no other its score."""
    try:
        return _together(detector, batch)
    except Exception as error:
        if len(batch) == 1:
            return [Answer("failed", error=said(error))]
    return [answers(detector, [one])[0] for one in batch]


def _together(detector: Detector, batch: Sequence[Asked]) -> list[Answer]:
    logits = detector.score([one.decoded() for one in batch])
    if len(logits) != len(batch):
        raise ValueError(f"{len(logits)} scores for {len(batch)} windows")
    return [Answer("unsure") if logit is None else _scored(float(logit)) for logit in logits]


def _scored(logit: float) -> Answer:
    if abs(logit) <= MOST_ODDS:
        return Answer("scored", logit)
    return Answer("failed", error=f"a score of {logit}")


@lru_cache(DECODED)
def _decode(jpeg: bytes) -> npt.NDArray[np.uint8]:
    raw = np.frombuffer(jpeg, np.uint8)
    picture = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if picture is None:
        raise ValueError(f"crop of {len(jpeg)} bytes is no picture OpenCV can decode")
    rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    rgb.setflags(write=False)
    return rgb


if __name__ == "__main__":
    serve("detector", handler)
