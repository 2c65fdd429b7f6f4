"""What is not scored when more comes in than can be served: pure policy, with the time handed in.

Three questions. *Whether*: a queue that stands for longer than an interval is one that serving does not drain, and a
shorter one is a burst (CoDel, RFC 8289). *Whose*: a camera that asks for more than its max-min fair share of the
capacity; the others lose nothing (as the flows of RFC 8290). *Which*: its windows older than the target, and those of
the tracks whose turn it is not: docs/decisions/0009 has why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from hashlib import blake2b

INTERVAL_S = 2.0  # a queue that stands for this long is no burst
SPAN_S = 3.0  # over which rates are taken: a face makes a window every 0.67 s
FADE = 0.9  # of the pace, per batch
OUTLIER = 4.0  # a batch so much slower than the pace waited for something else, Redis say, and counts as this much
CROWD = 1.5  # times its share: a camera that asks for little more needs no batches of a special kind
MORE = 4.0  # times what another camera asks for: as many faces as others have with it make no crowd
LEAST = 0.5  # windows a second of a camera that counts as another: a face makes three times as many
TURN_S = 8.0  # of a track: 12 windows at 6 samples a second, of which the first costs as much as four
GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples fall evenly into 0..1 however many there are
MARGIN = 0.9  # while a queue stands, less is served than comes in, whatever the pace says


class Switch:
    """Whether windows are to be shed. Ages and times are seconds; one clock steps back without harm."""

    def __init__(self, target_s: float, interval_s: float = INTERVAL_S) -> None:
        self.on = False
        self._target, self._interval = target_s, interval_s
        self._since: float | None = None  # the queue has stood since then
        self._last = 0.0  # and stood last then

    def look(self, age: float | None, now: float) -> bool:
        """Note the age of the oldest window that waits, None where the next batch takes all; whether to shed."""
        if age is None or age <= self._target:
            self._since = None
            self.on = self.on and 0 <= now - self._last < self._interval
            return self.on
        if self._since is None or now < self._since:
            self._since = now
        self._last = now
        self.on = self.on or now - self._since >= self._interval
        return self.on


class Pace:
    """How long a window takes, by the batches of the last while; before the first, what is expected counts."""

    def __init__(self, expected_s: float | None = None) -> None:
        self._expected = expected_s
        self._seconds = self._windows = 0.0

    def note(self, seconds: float, windows: int) -> None:
        """A batch of `windows` took `seconds`."""
        if windows < 1 or seconds < 0:
            return
        if self.window_s is not None:
            seconds = min(seconds, OUTLIER * self.window_s * windows)
        self._seconds = FADE * self._seconds + seconds
        self._windows = FADE * self._windows + windows

    @property
    def window_s(self) -> float | None:
        """Seconds per window; None before the first batch."""
        return max(1e-6, self._seconds / self._windows) if self._windows else None

    @property
    def capacity(self) -> float:
        """Windows a second; infinite before the first batch."""
        return 1 / self.window_s if self.window_s else math.inf

    def fitting(self, seconds: float, most: int) -> int:
        """How many windows take `seconds`, at least 1, `most` at most."""
        window_s = self.window_s or self._expected
        return most if window_s is None else max(1, min(most, int(seconds / window_s)))


class Shares:
    """What each camera asks for, in windows a second by the stream's own time, and who asks for too much of it."""

    def __init__(self, span_s: float = SPAN_S) -> None:
        self._span = span_s
        self._counts: dict[str, tuple[float, float]] = {}  # windows, fading with their age; as of when
        self._began: float | None = None
        self._now = 0.0

    def note(self, camera: str, at: float) -> None:
        """A window of `camera` entered the stream at `at`."""
        if self._began is None or at < self._now - self._span:  # the stream began anew
            self._counts, self._began, self._now = {}, at, at
        self._now = max(self._now, at)
        self._counts[camera] = (self._faded(camera) + 1, self._now)

    def rates(self) -> dict[str, float]:
        """Windows a second of each camera that sends."""
        over = self._span * -math.expm1(-max(0.5, self._now - (self._began or 0.0)) / self._span)
        found = {camera: self._faded(camera) for camera in self._counts}
        for camera in [camera for camera, count in found.items() if count < 0.01]:
            del self._counts[camera], found[camera]
        return {camera: count / over for camera, count in found.items()}

    def _faded(self, camera: str) -> float:
        count, at = self._counts.get(camera, (0.0, self._now))
        return count * math.exp((at - self._now) / self._span)


class Division:
    """The capacity divided among the cameras at one moment.

    `asked`: windows a second of all; `share`: of each camera, inf where all can have all; `surplus`: the cameras that
    ask for more than it; `behind`: those that ask for far more than it, or than others, who are not to wait for them.
    """

    def __init__(self, rates: dict[str, float], capacity: float, standing: bool) -> None:
        self.asked = sum(rates.values())
        self.share = level(rates.values(), min(capacity, MARGIN * self.asked) if standing else capacity)
        self._parts = {camera: self.share / rate for camera, rate in rates.items() if rate > self.share}
        self.surplus = frozenset(self._parts)
        self.behind = self._crowds(rates)

    def rank(self, camera: str, track: str, captured: float) -> float:
        """Where a window of a surplus camera stands: up to 1 if it is its track's turn; the highest are shed first."""
        return lot(camera, track, captured) / self._parts[camera]

    def _crowds(self, rates: dict[str, float]) -> frozenset[str]:
        """Also while all can be served: where half of the time goes to a crowd, half of what comes finds it there."""
        least = min((rate for rate in rates.values() if rate >= LEAST), default=0.0)
        found = {camera for camera, rate in rates.items() if least and rate > MORE * least}
        if any(rate > CROWD * self.share for rate in rates.values()):
            found |= self.surplus
        return frozenset(found if len(found) < len(rates) else ())


def level(demands: Iterable[float], capacity: float) -> float:
    """The max-min fair share: the most that anybody gets when those who ask for less get all; inf if all can."""
    rising = sorted(demands)
    for at, demand in enumerate(rising):
        share = capacity / (len(rising) - at)
        if demand > share:
            return share
        capacity -= demand
    return math.inf


def lot(camera: str, track: str, captured: float) -> float:
    """A number in 0..1 of the track's turn at `captured`, the same for every worker; over the turns evenly spread."""
    digest = blake2b(f"{camera}/{track}".encode(), digest_size=8).digest()
    start, phase = (int.from_bytes(part, "little") / 2**32 for part in (digest[:4], digest[4:]))
    return (start + math.floor(captured / TURN_S + phase) * GOLDEN) % 1.0  # phase: all turns at once would be dear
