"""The alert logic, without Redis and without a clock."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worker.making import RULES, score
from wire.messages import AlertEvent, Score
from wire.settings import AlertSettings
from worker.alerts import HISTORY, Rules, TrackState, expire, settle, step

NOW = 5000.0
LOOSE = replace(RULES, cooldown_s=0.0)


def start() -> TrackState:
    return TrackState(camera="door", track="1-0")


def play(
    scores: list[Score], rules: Rules = LOOSE, state: TrackState | None = None
) -> tuple[TrackState, list[AlertEvent]]:
    """Deliver `scores` as they come; the wall clock stands at the capture time of each."""
    state, events = state or start(), []
    for one in scores:
        state, made = step(state, one, rules, one.captured, None)
        events += made
    return state, events


def names(events: list[AlertEvent]) -> list[str]:
    return [event.event for event in events]


def essence(state: TrackState) -> tuple[Any, ...]:
    """What does not depend on the order of arrival."""
    alert = state.alert
    figures = alert and (alert.kind, alert.started)
    return state.settled, state.points, state.base, state.level, state.horizon, figures


SCORES = st.lists(
    st.tuples(st.sampled_from([0.1, 0.4, 0.6, 0.85, 0.95, 0.99]), st.booleans(), st.floats(0.1, 3.0)),
    min_size=1,
    max_size=HISTORY,
)
RULE_SETS = st.builds(
    Rules,
    enter=st.just(0.8),
    exit=st.sampled_from([0.3, 0.5, 0.8]),
    spike=st.sampled_from([None, 0.97]),
    median_of=st.sampled_from([1, 3, 5]),
    min_windows=st.sampled_from([1, 3]),
    dwell_s=st.sampled_from([0.0, 1.0, 2.5]),
    cooldown_s=st.just(0.0),
    update_s=st.just(2.0),
    end_after_s=st.just(5.0),
)


def track_of(drawn: list[tuple[float, bool, float]]) -> list[Score]:
    times = itertools.accumulate((gap for _, _, gap in drawn), initial=1000.0)
    return [
        score(seq, p, captured=at, verdict="unsure" if unsure and p > 0.9 else None)
        for seq, ((p, unsure, _), at) in enumerate(zip(drawn, times, strict=False))
    ]


@settings(max_examples=200, deadline=None)
@given(SCORES, RULE_SETS, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_end_in_the_same_state(
    drawn: list[tuple[float, bool, float]], rules: Rules, chance: random.Random
) -> None:
    scores = track_of(drawn)
    ordered, _ = play(scores, rules)
    shuffled = scores + chance.choices(scores, k=len(scores) // 2)
    chance.shuffle(shuffled)
    state, events = play(shuffled, rules)
    assert essence(replace(state, alert=None)) == essence(replace(ordered, alert=None))
    assert (state.alert is None) == (ordered.alert is None) == (state.level.kind is None)
    assert_alternates(events)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(HISTORY, 4 * HISTORY))
def test_longer_tracks_may_be_disordered_within_the_history(seed: int, length: int) -> None:
    chance = random.Random(seed)
    scores = [score(seq, chance.choice([0.1, 0.6, 0.9, 0.99])) for seq in range(length)]
    late = sorted(scores, key=lambda one: one.seq + chance.randrange(HISTORY - 1))
    ordered, _ = play(scores)
    state, events = play(late)
    assert essence(replace(state, alert=None)) == essence(replace(ordered, alert=None))
    assert (state.alert is None) == (ordered.alert is None)
    assert_alternates(events)


@settings(max_examples=200, deadline=None)
@given(SCORES, RULE_SETS, st.randoms(use_true_random=False))
def test_repetition_alone_makes_the_very_same_events(
    drawn: list[tuple[float, bool, float]], rules: Rules, chance: random.Random
) -> None:
    scores = track_of(drawn)
    again = [one for one in scores for _ in range(chance.randint(1, 3))]
    assert play(again, rules) == play(scores, rules)


@settings(max_examples=200, deadline=None)
@given(SCORES, RULE_SETS, st.integers(0, HISTORY))
def test_every_new_gets_its_end(drawn: list[tuple[float, bool, float]], rules: Rules, cut: int) -> None:
    scores = track_of(drawn)
    state, events = play(scores[:cut], rules)
    silent = state.heard + rules.end_after_s + 0.01
    state, ended = expire(state, rules, silent)
    later = [replace(one, captured=one.captured + 10, scored=0.0) for one in scores[cut:]]
    state, more = play(later, rules, state)
    state, last = expire(state, rules, state.heard + rules.end_after_s + 0.01)
    everything = [*events, *ended, *more, *last]
    assert_alternates(everything)
    assert names(everything).count("new") == names(everything).count("end")


def assert_alternates(events: list[AlertEvent]) -> None:
    """new, update..., end, new...; an id opens once and its figures only move the way they may."""
    current = None
    seen = set()
    for event in events:
        alert = event.alert
        assert 0 <= alert.mean <= alert.peak <= 1
        assert alert.windows >= 1
        assert alert.started <= alert.updated
        if event.event == "new":
            assert current is None
            assert alert.id not in seen
            seen.add(alert.id)
        else:
            assert current is not None
            assert alert.id == current.id
            assert alert.peak >= current.peak
            assert alert.started == current.started
            assert (current.severity, alert.severity) != ("critical", "warning")
            assert (current.kind, alert.kind) != ("sustained", "spike")
        if event.event == "end":
            assert alert.ended is not None
            assert alert.ended >= alert.started
        current = None if event.event == "end" else alert


def test_opens_after_enough_windows_and_the_dwell() -> None:
    _, events = play([score(seq, 0.9) for seq in range(4)])
    assert names(events) == ["new"]
    alert = events[0].alert
    assert alert.id == "door-1-0-3", "the third window crosses, the fourth comes a dwell later"
    assert (alert.kind, alert.started, alert.updated, alert.windows) == ("sustained", 1002.0, 1003.0, 2)
    assert (alert.score, alert.peak, alert.threshold) == (0.9, 0.9, 0.8)
    assert alert.mean == pytest.approx(0.9)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_windows_open_nothing(count: int) -> None:
    assert play([score(seq, 0.99) for seq in range(count)])[1] == []


def test_one_outlier_does_not_move_the_median() -> None:
    ps = [0.1, 0.1, 0.99, 0.1, 0.1, 0.99, 0.1, 0.1]
    assert play([score(seq, p) for seq, p in enumerate(ps)])[1] == []


def test_between_exit_and_enter_nothing_changes() -> None:
    high, between = [0.9] * 5, [0.6] * 20
    _, events = play([score(seq, p) for seq, p in enumerate(high + between)])
    assert "end" not in names(events)
    assert play([score(seq, p) for seq, p in enumerate(between)])[1] == []


def test_ends_when_the_median_stays_low_for_the_dwell() -> None:
    _, events = play([score(seq, p) for seq, p in enumerate([0.9] * 5 + [0.1] * 5)])
    assert names(events)[0] == "new"
    end = events[-1]
    assert (end.event, end.alert.end_reason, end.alert.ended) == ("end", "cleared", 1008.0)
    assert end.alert.windows == 7, "all from the crossing to the window that closed it"


def test_a_short_dip_does_not_end_it() -> None:
    wavering = [0.9] * 5 + [0.1] * 3 + [0.9] * 5
    _, events = play(
        [score(seq, p, captured=1000 + seq / 4) for seq, p in enumerate(wavering)], replace(LOOSE, dwell_s=0.9)
    )
    assert names(events).count("new") == 1
    assert "end" not in names(events)


def test_unsure_windows_count_for_nothing_but_prove_presence() -> None:
    state, events = play([score(seq, 0.99, verdict="unsure") for seq in range(20)])
    assert events == []
    assert state.level.counted == 0
    assert state.heard == 1019.0


def test_an_open_alert_stays_open_while_the_face_can_not_be_judged() -> None:
    state, _ = play([score(seq, 0.9) for seq in range(5)])
    state, events = play([score(seq, 0.0, verdict="unsure") for seq in range(5, 30)], state=state)
    assert events == []
    assert state.alert is not None


def test_updates_are_paced_but_a_graver_severity_is_told_at_once() -> None:
    at = [1000 + seq / 10 for seq in range(40)]
    ps = [0.82] * 12 + [0.95] * 28
    _, events = play(
        [score(seq, p, captured=t) for seq, (p, t) in enumerate(zip(ps, at, strict=True))], replace(LOOSE, dwell_s=0.5)
    )
    assert names(events)[:2] == ["new", "update"]
    assert [event.alert.severity for event in events[:2]] == ["warning", "critical"]
    assert events[1].at - events[0].at < 2
    assert all(later.at - earlier.at >= 2 for earlier, later in itertools.pairwise(events[1:]))


def test_severity_does_not_fall_back() -> None:
    _, events = play([score(seq, p) for seq, p in enumerate([0.97] * 6 + [0.6] * 12)])
    assert {event.alert.severity for event in events} == {"critical"}
    assert "end" not in names(events)


def test_cool_down_defers_a_second_alert_of_the_camera() -> None:
    scores = [score(seq, 0.9) for seq in range(12)]
    state, opened_at = start(), []
    for one in scores:
        state, events = step(state, one, RULES, one.captured, camera_last_opened=995.0)
        opened_at += [event.alert.updated for event in events if event.event == "new"]
    assert opened_at == [1005.0], "ten seconds after the camera's last, not never"


def test_a_cool_down_from_the_future_does_not_mute_the_camera() -> None:
    state, events = start(), []
    for one in [score(seq, 0.9) for seq in range(5)]:
        state, made = step(state, one, RULES, one.captured, camera_last_opened=4600.0)
        events += made
    assert names(events)[:1] == ["new"]


def test_a_spike_opens_at_once_and_only_if_asked_for() -> None:
    scores = [score(0, 0.1), score(1, 0.99), score(2, 0.1), score(3, 0.1), score(4, 0.1)]
    assert play(scores)[1] == []
    _, events = play(scores, replace(LOOSE, spike=0.98))
    assert names(events) == ["new", "end"]
    new, end = (event.alert for event in events)
    assert (new.kind, new.severity, new.id, new.threshold, new.peak) == ("spike", "warning", "door-1-0-1", 0.98, 0.99)
    assert end.ended == 1003.0


def test_a_spike_that_lasts_becomes_sustained_under_the_same_id() -> None:
    _, events = play([score(seq, 0.99) for seq in range(7)], replace(LOOSE, spike=0.98))
    told = [(event.event, event.alert.kind) for event in events]
    assert told == [("new", "spike"), ("update", "spike"), ("update", "sustained"), ("update", "sustained")]
    assert [event.at for event in events] == [1000, 1002, 1003, 1005], "the change of kind does not wait for its turn"
    assert len({event.alert.id for event in events}) == 1


def test_silence_ends_it_and_says_why() -> None:
    state, _ = play([score(seq, 0.9) for seq in range(5)])
    assert expire(state, LOOSE, state.heard + 4.9) == (state, ())
    after, (gone,) = expire(state, LOOSE, state.heard + 5)
    assert (gone.event, gone.alert.end_reason, gone.alert.ended) == ("end", "track-ended", 1004.0)
    assert after.alert is None
    _, (lost,) = expire(state, LOOSE, state.heard + 5, camera_live=False)
    assert lost.alert.end_reason == "camera-lost"
    assert expire(after, LOOSE, NOW) == (after, ()), "once"


def test_after_silence_the_old_scores_raise_nothing_again() -> None:
    state, _ = play([score(seq, 0.9) for seq in [0, 1, 2, 3, 5]])
    state, _ = expire(state, LOOSE, state.heard + 5)
    state, events = play([score(4, 0.99), score(6, 0.9), score(7, 0.9)], state=state)
    assert events == [], "a late one does not count, and two are too few"


def test_a_clock_that_stepped_back_restarts_the_silence() -> None:
    state, _ = play([score(seq, 0.9) for seq in range(5)])
    state, events = expire(state, LOOSE, now=state.heard - 3600)
    assert events == ()
    state, events = expire(state, LOOSE, now=state.heard + 5)
    assert [event.event for event in events] == ["end"]


def test_a_capture_clock_that_steps_back_still_opens() -> None:
    times = [1000.0, 1001.0, 1002.0, *(-2600.0 + i for i in range(6))]
    _, events = play([score(seq, 0.9, captured=at) for seq, at in enumerate(times)])
    assert names(events)[:1] == ["new"]


def test_a_window_settled_without_a_score_is_recognised() -> None:
    state = settle(start(), 3)
    assert step(state, score(3, 0.99), LOOSE, NOW, None) == (state, ())


def test_the_state_survives_its_encoding() -> None:
    state, _ = play([score(seq, 0.9) for seq in range(9)])
    assert TrackState.decode(state.encode()) == state


def test_rules_take_the_checkpoint_s_thresholds_where_none_are_set() -> None:
    rules = Rules.of(AlertSettings(), suspect=0.4, fake=0.7)
    assert (rules.enter, rules.exit) == (0.7, 0.4)
    rules = Rules.of(AlertSettings(enter=0.3, exit=0.6), suspect=0.4, fake=0.7)
    assert (rules.enter, rules.exit) == (0.3, 0.3), "leaving above where one enters would never hold an alert"
