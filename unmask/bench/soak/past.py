"""What a system that has run for days remembers, put into Redis at the start.

Some memories are bounded by the number of their entries and fill slowly: 20,000 scores in Redis take an hour and a half
of this soak, 2,000 alert events in the dashboard three quarters of one. Filled from the start they can't be taken for a
leak. And each is written twice, with windows that come and go between them: what is written at once lies close together
and is spread over half as much again until the last of it was replaced, in an hour and a half.
"""

from __future__ import annotations

import random
import time

import redis
from redis.client import Pipeline

from dashboard.history import MAX_EVENTS
from wire.keys import FIELD, Keys
from wire.messages import Alert, AlertEvent, Quality, Score
from worker.commit import SCORES_MAXLEN

AT_ONCE = 1000
TIMES = 2
WINDOWS, WINDOW_BYTES = 50, (60_000, 160_000)  # to each of these thousands, at most six there at a time
CAMERA = "untouched-1"
MODEL = "unmask-baseline-00000000"


def fill(bus: redis.Redis, keys: Keys) -> str:
    """Write as many scores and events as are kept; the place of the last event. Raises redis.RedisError."""
    now, place = time.time(), b""
    passing = _Passing(bus, f"{keys.prefix}before-the-soak")
    for first in range(0, TIMES * SCORES_MAXLEN, AT_ONCE):
        with bus.pipeline(transaction=False) as pipe:
            for number in range(first, first + AT_ONCE):
                entry: dict[bytes, bytes] = {FIELD: _score(number % SCORES_MAXLEN, now).encode()}
                pipe.xadd(keys.scores, entry, maxlen=SCORES_MAXLEN, approximate=True)  # type: ignore[arg-type]
                if number % (AT_ONCE // WINDOWS) == 0:
                    passing.window(pipe)
            pipe.execute()
    passing.end()
    for first in range(0, MAX_EVENTS + 1, AT_ONCE):
        with bus.pipeline(transaction=False) as pipe:
            for number in range(first, min(first + AT_ONCE, MAX_EVENTS + 1)):
                pipe.xadd(keys.alerts, {FIELD: _event(number, now).encode()})
            place = pipe.execute()[-1]
    return place.decode()


class _Passing:
    """Windows in a stream of their own, of which the oldest goes when one comes."""

    def __init__(self, bus: redis.Redis, stream: str) -> None:
        self._bus, self._stream, self._chance = bus, stream, random.Random(0)

    def window(self, pipe: Pipeline) -> None:
        """One more."""
        pipe.xadd(self._stream, {FIELD: bytes(self._chance.randint(*WINDOW_BYTES))})
        pipe.xtrim(self._stream, maxlen=self._chance.randint(1, 6), approximate=False)

    def end(self) -> None:
        """The stream goes."""
        self._bus.delete(self._stream)


def _score(number: int, now: float) -> Score:
    """One of long tracks, an hour ago."""
    track, at = f"{round(now * 1000) - 3_600_000}-{number // 500}", now - 3600 + number / 10
    at = min(at, now - 600)
    return Score(
        window=f"{CAMERA}/{track}/{number}", camera=CAMERA, track=track, epoch=round(now * 1000) - 3_600_000,
        seq=number, logit=-2.0, p_fake=0.1, verdict="clean", model=MODEL, box=(300.0, 100.0, 190.0, 240.0),
        quality=Quality(face_px=240.0, sharpness=80.0, brightness=120.0, yaw=0.05), frame_size=(854, 480),
        started=at - 4, captured=at, enqueued=at, dequeued=at, scored=at,
    )  # fmt: skip


def _event(number: int, now: float) -> AlertEvent:
    """Of alerts of an hour ago, 40 updates each, as long as a real one's: what is held of them is taken over by those
    that come.
    """
    alert, began = (number + 39) // 40, now - 3600.01371
    track, at, last = f"{round(now * 1000) - 3_600_000}-{alert}", began + number / 40, number % 40 == 0
    told = Alert(
        id=f"{CAMERA}-{track}-4", camera=CAMERA, track=track, kind="sustained", severity="critical",
        started=began + alert - 1, updated=at, ended=at if last else None, end_reason="track-ended" if last else None,
        score=0.91873540, peak=0.95237461, mean=0.90817263, windows=40, threshold=0.85688594, model=MODEL,
        box=(333.66334, 95.34716, 194.38834, 250.61207), frame_size=(854, 480),
    )  # fmt: skip
    return AlertEvent(event="end" if last else "update", at=at, alert=told)
