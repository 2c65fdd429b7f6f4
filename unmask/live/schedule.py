"""Who is before which virtual camera, and when: drawn once from a seed, the same for every stream condition. Pure.

A camera shows visits with pauses of an empty picture between them. A visit is one clip, played forwards and backwards
until the visit is over, for clips are short and visits are not. Real and fake visits are equally long. Every third
camera has real visits only; before the others every third visit is real. So real and fake faces are seen about as long.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from wire.errors import UsageError

CAMERA_S = 120.0  # how long a camera is watched at most
VISIT_S = (10, 18)  # a visit lasts a whole number of seconds, so that at any frame rate a frame falls on its start
PAUSE_S = 2  # ends every track: two searches in a row find nobody

Half = Literal["whole", "left", "right"]


class Show(msgspec.Struct, frozen=True):
    """Something to be shown: a clip, or one half of a side-by-side one."""

    path: Path
    fake: bool
    source: str
    half: Half = "whole"

    @property
    def name(self) -> str:
        """Folder, file and half, for people."""
        half = "" if self.half == "whole" else f"#{self.half}"
        return f"{self.path.parent.name}/{self.path.name}{half}"


class Visit(msgspec.Struct, frozen=True):
    """One show on one camera, from `start` to `end` in seconds of the stream. A fake's onset is its `start`."""

    show: Show
    start: float
    end: float


class Camera(msgspec.Struct, frozen=True):
    """A virtual camera: its visits in order, and how long its stream is in seconds."""

    name: str
    seconds: float
    visits: tuple[Visit, ...]


def plan(shows: Sequence[Show], minutes: float, seed: int) -> list[Camera]:
    """Cameras with about `minutes` of stream between them, two at least; fewer minutes give the first few of them.

    Raises UsageError where real or fake clips are missing.
    """
    rng = np.random.default_rng(seed)
    for fake, word in ((False, "real"), (True, "fake")):
        if not any(show.fake == fake for show in shows):
            raise UsageError(f"no {word} clip to show", "name a manifest and a split that have real and fake clips")
    decks = {fake: deal([show for show in shows if show.fake == fake], rng) for fake in (False, True)}
    seconds = min(CAMERA_S, minutes * 60 / 2)
    return [_camera(number, seconds, decks, rng) for number in range(watched(minutes))]


def watched(minutes: float) -> int:
    """How many cameras make `minutes` of stream: two at least, one of them with real visits only."""
    return max(2, round(minutes * 60 / CAMERA_S))


def _camera(number: int, seconds: float, decks: dict[bool, Iterator[Show]], rng: np.random.Generator) -> Camera:
    mixed, visits, at = number % 3 != 1, list[Visit](), PAUSE_S
    while True:
        length = int(rng.integers(VISIT_S[0], VISIT_S[1] + 1))
        if visits and at + length + PAUSE_S > seconds:
            break
        fake = mixed and (len(visits) + number) % 3 != 2
        visits.append(Visit(next(decks[fake]), float(at), float(at + length)))
        at += length + PAUSE_S
    return Camera(f"{'mixed' if mixed else 'real'}-{number}", float(at), tuple(visits))


def deal(shows: Sequence[Show], rng: np.random.Generator) -> Iterator[Show]:
    """Shows without end: all in a random order before any comes again, the sources taking turns."""
    while True:
        by_source: dict[str, list[Show]] = defaultdict(list)
        for at in rng.permutation(len(shows)):
            by_source[shows[at].source].append(shows[at])
        for turn in zip_longest(*by_source.values()):
            yield from (show for show in turn if show is not None)


def bounce(number: int, count: int) -> int:
    """Which of `count` pictures is shown as the `number`-th when they are played forwards, backwards, forwards..."""
    if count == 1:
        return 0
    at = number % (2 * count - 2)
    return at if at < count else 2 * count - 2 - at
