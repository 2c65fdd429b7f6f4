"""From a batch to decisions: too old, scored, dead, or to be tried again alone. Knows no Redis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from wire.errors import ServiceError
from wire.guest import said
from wire.messages import Score, Window
from worker.commit import Work
from worker.encoding import Abandoned, Encoding, Unscorable
from worker.features import Feature, FrameId
from worker.queue import Item
from worker.scorer import Inference

FATAL = 8  # failures of the device in a row, none in between that worked: it is the machine, not the windows


Infer = Callable[[Sequence[Window], Mapping[FrameId, Feature], Callable[[], bool], Encoding | None], Inference]
"""As Scorer.infer."""
Judge = Callable[[Window, float, float, float], Score]
"""As Scorer.judge."""


class Decided(msgspec.Struct, frozen=True):
    """What is to be committed, and which entries are to be claimed again, alone."""

    works: list[Work]
    fresh: dict[FrameId, Feature]
    again: list[bytes]


class Trial:
    """Decides about batches; a window that fails takes none of its batch with it."""

    def __init__(
        self,
        infer: Infer,
        judge: Judge,
        max_age_s: float,
        max_deliveries: int,
        clock: Callable[[], float],
        shift: Callable[[str], float] = lambda camera: 0.0,
    ) -> None:
        self._infer, self._judge, self._shift = infer, judge, shift
        self._max_age, self._max_deliveries, self._clock = max_age_s, max_deliveries, clock
        self._failures = 0

    def overdue(self, items: Sequence[Item]) -> tuple[list[Item], list[Work]]:
        """The items worth scoring, and the decisions about the others: too old, or too often a worker's last."""
        now, worth, works = self._clock(), list[Item](), list[Work]()
        for item in items:
            if now - item.window.captured > self._max_age:
                works.append(Work(item.entry, item.window, outcome="stale"))
            elif item.entry.deliveries > self._max_deliveries:
                error = f"delivered {item.entry.deliveries} times and never settled: each worker died or hung on it"
                works.append(Work(item.entry, item.window, outcome="dead", error=error))
            else:
                worth.append(item)
        return worth, works

    def run(
        self,
        items: Sequence[Item],
        known: Mapping[FrameId, Feature],
        abandon: Callable[[], bool] = lambda: False,
        begun: Encoding | None = None,
    ) -> Decided:
        """Score `items` together, or one by one where that fails; their encoding may have `begun`, together with frames
        of other windows, so what fails then is no window's fault yet.

        Raises Abandoned, and ServiceError when the device does nothing but fail.
        """
        try:
            return self._together(items, known, abandon, begun)
        except Abandoned:
            raise
        except Exception as error:
            if len(items) == 1 and begun is None:
                return self._failed(items[0], error)
        made = Decided([], {}, [])
        for item in items:
            part = self.run([item], {**known, **made.fresh}, abandon)
            made.works.extend(part.works)
            made.fresh.update(part.fresh)
            made.again.extend(part.again)
        return made

    def _together(
        self,
        items: Sequence[Item],
        known: Mapping[FrameId, Feature],
        abandon: Callable[[], bool],
        begun: Encoding | None,
    ) -> Decided:
        result = self._infer([item.window for item in items], known, abandon, begun)
        self._failures = 0
        works = [Work(item.entry, item.window, self._judged(item, logit))
                 for item, logit in zip(items, result.logits, strict=True)]  # fmt: skip
        return Decided(works, result.fresh, [])

    def _judged(self, item: Item, logit: float) -> Score:
        return self._judge(item.window, logit, item.entry.dequeued, self._shift(item.window.camera))

    def _failed(self, item: Item, error: Exception) -> Decided:
        """Dead at once where the window is at fault, else after its last try."""
        reason = said(error)
        if isinstance(error, Unscorable) or item.entry.deliveries >= self._max_deliveries:
            return Decided([Work(item.entry, item.window, outcome="dead", error=reason)], {}, [])
        self._failures += 1
        if self._failures >= FATAL:
            raise ServiceError(f"inference fails again and again ({reason})", "check the device and its memory")
        return Decided([], {}, [item.entry.id])
