"""Decisions about batches, with a scorer whose failures are chosen: it sits at a one-method seam."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.worker.making import score, settings, window
from wire.errors import ServiceError
from wire.messages import Score, Window
from worker.encoding import Abandoned, Encoding, Unscorable
from worker.features import Feature, FrameId
from worker.queue import Entry, Item
from worker.scorer import Inference, Scorer
from worker.trial import FATAL, Trial

NOW = 1000.0


class Scripted:
    """Fails for windows whose number is in `bad`; remembers the sizes it was called with."""

    def __init__(self, bad: dict[int, Exception] | None = None) -> None:
        self.bad, self.calls = bad or {}, list[int]()
        self.known: list[set[FrameId]] = []

    def infer(
        self,
        windows: Sequence[Window],
        known: Mapping[FrameId, Feature],
        abandon: Callable[[], bool],
        begun: Encoding | None = None,
    ) -> Inference:
        self.calls.append(len(windows))
        self.known.append(set(known))
        for one in windows:
            if one.seq in self.bad:
                raise self.bad[one.seq]
        fresh = {("door", "1-0", one.seq): np.zeros(1, np.float16) for one in windows}
        return Inference(tuple(float(one.seq) for one in windows), fresh)

    def judge(self, window: Window, logit: float, dequeued: float, shift: float = 0.0) -> Score:
        return score(window.seq, 0.5)


def items(*seqs: int, deliveries: int = 1, captured: float = NOW) -> list[Item]:
    return [Item(Entry(b"%d-0" % seq, b"", deliveries, NOW), window(seq, captured=captured)) for seq in seqs]


def trial(scorer: Scripted) -> Trial:
    return Trial(scorer.infer, scorer.judge, max_age_s=10, max_deliveries=3, clock=lambda: NOW)


def test_a_good_batch_is_scored_at_once() -> None:
    scorer = Scripted()
    decided = trial(scorer).run(items(0, 1, 2), {})
    assert scorer.calls == [3]
    assert [work.score.seq for work in decided.works if work.score] == [0, 1, 2]
    assert len(decided.fresh) == 3


def test_a_poison_window_takes_none_of_its_batch_with_it() -> None:
    scorer = Scripted({1: Unscorable("no picture")})
    decided = trial(scorer).run(items(0, 1, 2), {})
    assert scorer.calls == [3, 1, 1, 1]
    assert [(work.window.seq, work.outcome, work.error) for work in decided.works] == [
        (0, "scored", ""),
        (1, "dead", "Unscorable: no picture"),
        (2, "scored", ""),
    ]
    assert decided.again == []
    assert ("door", "1-0", 0) in scorer.known[3], "what was encoded for one is known to the next"


def test_a_window_whose_frames_began_beside_a_poison_s_is_not_condemned_with_it(tiny: Path) -> None:
    """Two batches are on their way; the second needs frames that are encoded in one slice with the poison's."""
    scorer = Scorer(settings(tiny))
    one = Trial(scorer.infer, scorer.judge, max_age_s=10, max_deliveries=3, clock=lambda: NOW)
    good, poison, after = items(10, 50, 11)
    frames = (replace(poison.window.frames[0], jpeg=b"no jpeg"), *poison.window.frames[1:])
    poison = Item(replace(poison.entry, id=b"p"), replace(poison.window, frames=frames))
    begun = [scorer.start([item.window for item in batch], {}) for batch in ([good, poison], [after])]
    first = one.run([good, poison], {}, begun=begun[0])
    second = one.run([after], {}, begun=begun[1])
    assert [(work.window.seq, work.outcome) for work in first.works] == [(10, "scored"), (50, "dead")]
    assert [(work.window.seq, work.outcome) for work in second.works] == [(11, "scored")]


def test_a_failing_device_gets_another_try_until_the_last() -> None:
    for deliveries, outcome in [(1, None), (2, None), (3, "dead")]:
        decided = trial(Scripted({5: RuntimeError("out of memory")})).run(items(5, deliveries=deliveries), {})
        if outcome is None:
            assert (decided.works, decided.again) == ([], [b"5-0"])
        else:
            assert [(work.outcome, work.error) for work in decided.works] == [("dead", "RuntimeError: out of memory")]


def test_a_device_that_only_fails_ends_the_worker_and_buries_nothing() -> None:
    broken = trial(Scripted({seq: RuntimeError("CUDA error") for seq in range(100)}))
    with pytest.raises(ServiceError, match="CUDA error"):
        broken.run(items(*range(FATAL)), {})


def test_failures_are_counted_in_a_row() -> None:
    scorer = Scripted({seq: RuntimeError("now and then") for seq in range(0, 100, 2)})
    decided = trial(scorer).run(items(*range(2 * FATAL + 2)), {})
    assert len(decided.again) == FATAL + 1


def test_too_old_and_too_often() -> None:
    old, often, good = items(0, captured=NOW - 10.1), items(1, deliveries=4), items(2, captured=NOW - 9.9)
    worth, works = trial(Scripted()).overdue([*old, *often, *good])
    assert worth == good
    assert [(work.window.seq, work.outcome) for work in works] == [(0, "stale"), (1, "dead")]
    assert "delivered 4 times" in works[1].error


def test_an_old_window_is_stale_however_often_it_was_delivered() -> None:
    _, works = trial(Scripted()).overdue(items(0, deliveries=9, captured=NOW - 11))
    assert [work.outcome for work in works] == ["stale"]


def test_abandoning_is_no_failure() -> None:
    with pytest.raises(Abandoned):
        trial(Scripted({0: Abandoned()})).run(items(0), {})
