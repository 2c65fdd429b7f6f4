"""Crops to features beside the caller: decoding, cutting and encoding on the lanes of a backend.

A lane is a thread; what it calls (OpenCV, the network) releases the interpreter, so that lanes fill the device while
the caller reads the next batch and commits the last. What stands behind whatever else comes has lanes of its own, which
give way to the others (`Backend.aside`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count

from wire.watchdog import Calls
from worker.backend import ASIDE, PATIENCE, Backend, Half
from worker.features import Feature, FrameId
from worker.model import ModelConfig
from worker.preprocess import Pixels, pixels

ASK_S = 0.05  # how often the caller is asked whether to abandon
Slice = dict[FrameId, Feature]
Cropped = tuple[bytes, float]  # a JPEG, and its margin as in `worker.preprocess`


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
        self._aside = ThreadPoolExecutor(backend.lanes, "aside")
        self._flying: dict[FrameId, Future[Slice]] = {}

    def start(self, crops: Mapping[FrameId, Cropped], behind: bool = False) -> Encoding:
        """Begin to encode these, `behind` whatever else there is or comes. Any thread may call it; two must not ask for
        the same frames at once."""
        backend, new = self._backend, [name for name in crops if name not in self._flying]
        if behind and backend.aside is not None:
            pool, encode, parts, patience = self._aside, backend.aside, divide(new, ASIDE, 1), PATIENCE
        else:
            pool, encode, parts, patience = self._lanes, backend.encode, divide(new, backend.chunk, backend.lanes), 1.0
        for part in parts:
            future = pool.submit(self._encode, encode, part, [crops[name] for name in part], patience)
            self._flying.update(dict.fromkeys(part, future))
        return Encoding({name: self._flying[name] for name in crops}, new, self._landed)

    def _landed(self, encoding: Encoding) -> None:
        for name in encoding.new:
            self._flying.pop(name, None)

    def _encode(
        self, encode: Callable[[Pixels], Half], names: Sequence[FrameId], crops: Sequence[Cropped], patience: float
    ) -> Slice:
        with self._calls.under_way(f"encoding {len(names)} crops", patience):
            try:
                images = pixels([jpeg for jpeg, _ in crops], self._config, [margin for _, margin in crops])
            except ValueError as error:
                raise Unscorable(str(error)) from error
            return dict(zip(names, encode(images), strict=True))


def divide(names: Sequence[FrameId], chunk: int, lanes: int) -> list[Sequence[FrameId]]:
    """Slices of at most `chunk`, full ones first; the lanes share what is left over, so that they end together."""
    rest = len(names) % (chunk * lanes)
    whole = len(names) - rest
    slices = [names[at : at + chunk] for at in range(0, whole, chunk)]
    count = min(rest, lanes)
    for lane in range(count):
        slices.append(names[whole + rest * lane // count : whole + rest * (lane + 1) // count])
    return slices
