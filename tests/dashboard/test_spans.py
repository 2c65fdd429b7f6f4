from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dashboard import spans
from tests.support.messages import EXAMPLES, T0
from tests.worker.making import RULES
from wire.messages import AlertEvent, Score
from worker.alerts import TrackState, step

SCORE = next(one for one in EXAMPLES if isinstance(one, Score))
EVENT = next(one for one in EXAMPLES if isinstance(one, AlertEvent))


def test_the_stages_follow_each_other_and_fill_the_window() -> None:
    window, *stages = spans.of_score(SCORE, T0 + 0.8, T0 + 1)
    assert [span.name for span in stages] == ["capture", "encode", "queue", "score", "commit", "fan-out"]
    assert [round(span.end - span.start, 3) for span in stages] == [0.375, 0.125, 0.125, 0.125, 0.05, 0.2]
    assert (window.start, window.end) == (stages[0].start, stages[-1].end) == (SCORE.started, T0 + 1)
    assert all(before.end == after.start for before, after in pairwise(stages))
    assert {span.parent for span in stages} == {window.id}
    assert window.parent is None
    assert window.attributes["unmask.window"] == SCORE.window
    assert len({span.id for span in (window, *stages)}) == 7


@given(st.lists(st.floats(T0 - 5, T0 + 5), min_size=7, max_size=7))
def test_clocks_that_disagree_make_no_stage_negative(times: list[float]) -> None:
    names = ("started", "captured", "enqueued", "dequeued", "scored")
    changed: Any = dict(zip(names, times, strict=False))
    for span in spans.of_score(msgspec.structs.replace(SCORE, **changed), times[5], times[6]):
        assert span.end >= span.start


def test_the_share_that_is_taken() -> None:
    traces = [spans.trace_id("lobby", "1-1", T0 + number / 6) for number in range(4000)]
    assert len(set(traces)) == 4000
    assert 300 < sum(spans.taken(trace, 0.1) for trace in traces) < 500
    assert not any(spans.taken(trace, 0) for trace in traces)
    assert all(spans.taken(trace, 1) for trace in traces)


def test_an_alert_is_in_the_trace_of_the_window_that_the_worker_raised_it_by() -> None:
    state = TrackState(camera=SCORE.camera, track=SCORE.track)
    for seq in range(60):
        score = msgspec.structs.replace(SCORE, seq=seq, captured=T0 + seq, p_fake=0.99, verdict="fake")
        state, told = step(state, score, RULES, T0 + seq + 0.5)
        if told:
            break
    [new] = [one.event for one in told]
    assert new.event == "new"
    alert, fan_out = spans.of_alert(new, T0 + seq + 0.6, T0 + seq + 0.7)
    window = spans.of_score(score, T0 + seq + 0.6, T0 + seq + 0.7)[0]
    assert (alert.trace, alert.parent, fan_out.parent) == (window.trace, window.id, alert.id)


def test_what_no_window_caused_is_no_span() -> None:
    assert spans.of_alert(EVENT, T0, T0)
    assert not spans.of_alert(msgspec.structs.replace(EVENT, event="review"), T0, T0)
    camera = msgspec.structs.replace(EVENT.alert, track="")
    assert not spans.of_alert(msgspec.structs.replace(EVENT, alert=camera), T0, T0)
