"""Crops to features beside the caller: decoding, cutting and encoding on the lanes of a backend.

A lane is a thread; what it calls (OpenCV, the network) releases the interpreter, so that lanes fill the device while
the caller reads the next batch and commits the last. What is encoded *behind* whatever else comes goes in small slices,
of which no more than there are lanes are handed over at once: what comes meanwhile waits for one of them, and goes in
small slices too, so that the lane that is free first takes more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from wire.watchdog import Calls
from worker.backend import Backend
from worker.features import Feature, FrameId
from worker.model import ModelConfig
from worker.preprocess import pixels
from worker.shedding import Pace

ASK_S = 0.05  # how often the caller is asked whether to abandon
SMALL_S = 0.02  # that a small slice takes, if a single crop takes no longer
Slice = dict[FrameId, Feature]
Cropped = tuple[bytes, float]  # a JPEG, and its margin as in `worker.preprocess`


class Job(NamedTuple):
    """A slice for a lane."""

    names: Sequence[FrameId]
    crops: Sequence[Cropped]
    future: Future[Slice]


class Abandoned(Exception):
    """The caller asked to stop in the middle; nothing was changed."""


class Unscorable(ValueError):
    """The window itself is at fault: no frames, too many, crops that are no pictures."""


@dataclass(frozen=True)
class Encoding:
    """Frames on their way: the slices they are in, and those among them that no earlier encoding brings."""

    slices: Mapping[FrameId, Future[Slice]]
    new: Sequence[FrameId]
    landed: Callable[[Encoding], None]  # is told when nobody waits for it any more

    def drop(self) -> None:
        """Nobody will wait for it: its frames may be encoded again."""
        self.landed(self)

    def encoded(self, timeout_s: float) -> bool:
        """Wait for all, so long at most; whether the lanes have nothing more to do with it."""
        return not wait(set(self.slices.values()), timeout_s).not_done

    def features(self, abandon: Callable[[], bool]) -> Slice:
        """Wait for all. Raises Abandoned when `abandon` says so, Unscorable, and whatever the device raises."""
        waiting = set(self.slices.values())
        try:
            while waiting:
                if abandon():
                    raise Abandoned
                waiting = wait(waiting, ASK_S, FIRST_COMPLETED).not_done
            return {name: one.result()[name] for name, one in self.slices.items()}
        finally:
            for one in waiting:
                one.cancel()
            self.landed(self)

    def then(self, call: Callable[[], object]) -> None:
        """Call this once the lanes have nothing more to do with it; from whatever thread."""
        slices, done = set(self.slices.values()), count(1)
        if not slices:
            call()
        for one in slices:
            one.add_done_callback(lambda _: call() if next(done) == len(slices) else None)


class Encoder:
    """Hands crops to the lanes. A frame that is on its way already is not encoded again."""

    def __init__(self, backend: Backend, config: ModelConfig, calls: Calls) -> None:
        self._backend, self._config, self._calls = backend, config, calls
        self._lanes = ThreadPoolExecutor(backend.lanes, "lane")
        self._flying: dict[FrameId, Future[Slice]] = {}
        self._pace = Pace()  # of crops in a lane
        self._behind: Encoding | None = None  # the newest

    def start(self, crops: Mapping[FrameId, Cropped], behind: bool = False) -> Encoding:
        """Begin to encode these, `behind` whatever else is begun later or not. Any thread may call it; two must not ask
        for the same frames at once."""
        chunk, lanes = self._backend.chunk, self._backend.lanes
        if behind or (self._behind and not self._behind.encoded(0)):
            chunk = self._pace.fitting(SMALL_S, chunk)
        new = [name for name in crops if name not in self._flying]
        parts = divide(new, chunk, lanes)
        jobs = [Job(part, [crops[name] for name in part], Future()) for part in parts]
        for job in jobs:
            self._flying.update(dict.fromkeys(job.names, job.future))
        queue = iter(jobs)
        for _ in range(lanes if behind else len(jobs)):
            self._hand_over(queue)
        encoding = Encoding({name: self._flying[name] for name in crops}, new, self._landed)
        if behind:
            self._behind = encoding
        return encoding

    def _hand_over(self, queue: Iterator[Job]) -> None:
        """The next of these jobs, and once it is done the one after it."""
        if (job := next(queue, None)) is not None:
            self._lanes.submit(self._do, job, queue)

    def _do(self, job: Job, queue: Iterator[Job]) -> None:
        if job.future.set_running_or_notify_cancel():
            try:
                job.future.set_result(self._encode(job.names, job.crops))
            except Exception as error:
                job.future.set_exception(error)
        self._hand_over(queue)

    def _landed(self, encoding: Encoding) -> None:
        for name in encoding.new:
            self._flying.pop(name, None)

    def _encode(self, names: Sequence[FrameId], crops: Sequence[Cropped]) -> Slice:
        began = time.monotonic()
        with self._calls.under_way(f"encoding {len(names)} crops"):
            try:
                images = pixels([jpeg for jpeg, _ in crops], self._config, [margin for _, margin in crops])
            except ValueError as error:
                raise Unscorable(str(error)) from error
            features = dict(zip(names, self._backend.encode(images), strict=True))
        self._pace.note(time.monotonic() - began, len(names))
        return features


def divide(names: Sequence[FrameId], chunk: int, lanes: int) -> list[Sequence[FrameId]]:
    """Slices of at most `chunk`, full ones first; the lanes share what is left over, so that they end together."""
    rest = len(names) % (chunk * lanes)
    whole = len(names) - rest
    slices = [names[at : at + chunk] for at in range(0, whole, chunk)]
    count = min(rest, lanes)
    for lane in range(count):
        slices.append(names[whole + rest * lane // count : whole + rest * (lane + 1) // count])
    return slices
