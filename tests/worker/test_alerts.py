"""The alert logic, without Redis and without a clock."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.worker.making import RULES, score
from wire.messages import AlertEvent, Score, Verdict
from wire.settings import AlertSettings
from worker.alerts import BEFORE, DURING, WAITING, Quiet, Told, TrackState, due, settle, step, tick
from worker.level import Rules

NOW = 5000.0
LOOSE = replace(RULES, cooldown_s=0.0)
SEQUENCES = 10_000


class Settled(msgspec.Struct, frozen=True):
    """A window that got no score."""

    seq: int


Outcome = Score | Settled


def start() -> TrackState:
    return TrackState(camera="door", track="1-0")


class Player:
    """One track and the camera's memory of openings."""

    def __init__(self, rules: Rules = LOOSE, quiet: Quiet | None = None) -> None:
        self.rules, self.quiet, self.state, self.told = rules, quiet or Quiet(), start(), list[Told]()

    def give(self, outcome: Outcome, now: float) -> None:
        if isinstance(outcome, Score):
            self.took(*step(self.state, outcome, self.rules, now, self.quiet))
        else:
            self.took(*settle(self.state, outcome.seq, self.rules, now, self.quiet))

    def tick(self, now: float) -> None:
        self.took(*tick(self.state, self.rules, now, self.quiet))

    def took(self, state: TrackState, told: tuple[Told, ...]) -> None:
        self.state = state
        self.told += told
        for one in told:
            if one.event.event == "new":
                at = one.event.alert.updated
                self.quiet = replace(self.quiet, camera_opened=at, last_opened=at)

    @property
    def events(self) -> list[AlertEvent]:
        return [one.event for one in self.told]


def play(
    scores: Iterable[Score], rules: Rules = LOOSE, state: TrackState | None = None
) -> tuple[TrackState, list[AlertEvent]]:
    """Deliver `scores` as they come; the wall clock stands at the capture time of each."""
    player = Player(rules)
    player.state = state or start()
    for one in scores:
        player.give(one, one.captured)
    return player.state, player.events


def names(events: list[AlertEvent]) -> list[str]:
    return [event.event for event in events]


def told_of(outcomes: Iterable[Outcome], rules: Rules, waits: Iterable[float] = ()) -> list[Told]:
    """Everything told of a track: its outcomes as they come, `waits` between them, then silence to the end."""
    player, now = Player(rules), NOW
    for outcome, wait in itertools.zip_longest(outcomes, waits, fillvalue=0.0):
        assert not isinstance(outcome, float)
        now += wait
        player.give(outcome, now)
    player.tick(NOW + rules.hold_s)  # nothing was told between: no score waited for so long
    player.tick(NOW + rules.hold_s + rules.end_after_s)
    assert player.state.alert is None
    assert not player.state.waiting
    return player.told


P_FAKE = (0.05, 0.3, 0.55, 0.7, 0.85, 0.93, 0.98, 0.999)


def any_rules(chance: random.Random) -> Rules:
    return Rules(
        enter=0.8,
        exit=chance.choice([0.3, 0.5, 0.8]),
        spike=chance.choice([None, None, 0.97]),
        median_of=chance.choice([1, 3, 5]),
        min_windows=chance.choice([1, 3]),
        dwell_s=chance.choice([0.0, 1.0, 2.5]),
        cooldown_s=chance.choice([0.0, 0.0, 10.0]),
        cooldown_overall_s=chance.choice([0.0, 0.0, 5.0]),
        hold_s=2.0,
        update_s=2.0,
        end_after_s=5.0,
    )


def any_track(chance: random.Random) -> list[Outcome]:
    """Windows of one track in order: scores, in runs of one mind, unsure, stale and dead ones, and missing numbers."""
    outcomes: list[Outcome] = []
    captured, mind = 1000.0, 0
    lost = chance.choice([0.0, 0.0, 0.1])  # share of the windows that never come to be settled
    for seq in range(chance.randint(1, 40)):
        captured += chance.choice([0.3, 0.7, 0.7, 1.5]) if chance.random() < 0.98 else -20.0
        mind = chance.randrange(len(P_FAKE)) if chance.random() < 0.15 else mind
        kind = chance.random()
        if kind < lost:
            continue
        p_fake = P_FAKE[mind] if chance.random() < 0.8 else chance.choice(P_FAKE)
        verdict: Verdict | None = "unsure" if kind > 0.9 else None
        scored = score(seq, p_fake, captured=captured, verdict=verdict)
        outcomes.append(scored if kind < 0.97 else Settled(seq))
    return outcomes


def disordered(outcomes: list[Outcome], chance: random.Random) -> list[Outcome]:
    """All of them at least once, in any order."""
    pool = outcomes + chance.choices(outcomes, k=chance.randint(0, len(outcomes))) if outcomes else []
    chance.shuffle(pool)
    return pool


def test_ten_thousand_sequences_shuffled_and_repeated_tell_the_same() -> None:
    """Whole events, `at` included, and the traces that go with them."""
    chance, news, released, changed = random.Random(4), 0, 0, 0
    for _ in range(SEQUENCES):
        rules, outcomes = any_rules(chance), any_track(chance)
        shuffled = disordered(outcomes, chance)
        expected = told_of(outcomes, rules)
        assert told_of(shuffled, rules) == expected
        events = [one.event for one in expected]
        assert_alternates(events)
        assert names(events).count("new") == names(events).count("end")
        news += names(events).count("new")
        released += sum(event.event == "new" and event.at > NOW for event in events)
        changed += shuffled != outcomes
    assert news > SEQUENCES / 2
    assert released > SEQUENCES / 100, "alerts that only the last release opened"
    assert changed > 0.9 * SEQUENCES


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.data())
def test_as_long_as_nothing_waits_too_long_only_the_announcement_s_time_differs(
    chance: random.Random, data: st.DataObject
) -> None:
    rules, outcomes = any_rules(chance), any_track(chance)
    shuffled = disordered(outcomes, chance)
    most = rules.hold_s / (len(shuffled) + 1)
    waits = data.draw(st.lists(st.floats(0, most), min_size=len(shuffled), max_size=len(shuffled)))
    expected, found = told_of(outcomes, rules), told_of(shuffled, rules, waits)
    assert [timeless(one) for one in found] == [timeless(one) for one in expected]


def timeless(told: Told) -> Told:
    return replace(told, event=replace(told.event, at=0.0))


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whatever_comes_and_goes_every_new_gets_its_end(chance: random.Random) -> None:
    """Scores late beyond all waiting, long silences, a clock that steps back, ticks at any time."""
    rules = any_rules(chance)
    player, now = Player(rules), NOW
    for outcome in disordered(any_track(chance), chance):
        now += chance.choice([0.0, 0.1, 1.0, 3.0, 7.0, -30.0])
        if chance.random() < 0.5:
            player.tick(now)
        player.give(outcome, now)
    for _ in range(3):
        now += rules.end_after_s
        player.tick(now)
    assert due(player.state, rules) is None
    assert_alternates(player.events)
    assert names(player.events).count("new") == names(player.events).count("end")
    assert not player.state.waiting


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_in_order_nothing_is_delayed(chance: random.Random) -> None:
    """Every event is announced with the very score that makes it, and nothing ever waits."""
    scores = [one for one in any_track(chance) if isinstance(one, Score)]
    player = Player(any_rules(chance))
    for seq, one in enumerate(scores):
        before = len(player.told)
        player.give(replace(one, seq=seq), NOW + seq)
        assert not player.state.waiting
        assert player.state.next == seq + 1
        assert all(told.event.at == NOW + seq for told in player.told[before:])


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(WAITING, 8 * WAITING))
def test_long_tracks_may_be_disordered_within_the_bound(seed: int, length: int) -> None:
    chance = random.Random(seed)
    scores = [score(seq, chance.choice(P_FAKE)) for seq in range(length)]
    late = sorted(scores, key=lambda one: one.seq + chance.randrange(WAITING - 1))
    assert told_of(late, LOOSE) == told_of(scores, LOOSE)


def assert_alternates(events: list[AlertEvent]) -> None:
    """new, update..., end, new...; an id opens once and its figures only move the way they may."""
    current = None
    seen = set()
    for event in events:
        alert = event.alert
        assert alert.mean is not None
        assert alert.peak is not None
        assert 0 <= alert.mean <= alert.peak <= 1
        assert alert.windows >= 1
        if event.event == "new":
            assert current is None
            assert alert.id not in seen
            seen.add(alert.id)
        else:
            assert current is not None
            assert current.peak is not None
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


def test_an_alert_tells_where_the_face_was_when_it_opened() -> None:
    player = Player()
    for seq in range(12):
        player.give(replace(score(seq, 0.95), box=(10.0 + seq, 20.0, 30.0, 40.0), frame_size=(640, 480)), NOW)
    (new,) = [told for told in player.told if told.event.event == "new"]
    assert new.seq is not None
    assert new.event.alert.box == (10.0 + new.seq, 20.0, 30.0, 40.0)
    assert new.event.alert.frame_size == (640, 480)


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
    assert state.waiting == ()


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
    player = Player(RULES, Quiet(camera_opened=995.0))
    for seq in range(12):
        player.give(score(seq, 0.9), 1000.0 + seq)
    opened_at = [event.alert.updated for event in player.events if event.event == "new"]
    assert opened_at == [1005.0], "ten seconds after the camera's last, not never"


def test_the_overall_cool_down_counts_every_camera() -> None:
    rules = replace(LOOSE, cooldown_overall_s=7.0)
    player = Player(rules, Quiet(last_opened=999.0))
    for seq in range(12):
        player.give(score(seq, 0.9), 1000.0 + seq)
    assert [event.alert.updated for event in player.events if event.event == "new"] == [1006.0]
    assert Player(LOOSE, Quiet(last_opened=999.0)).quiet.holds(1000.0, LOOSE) is False, "0: none"


def test_a_snooze_holds_openings_back_and_nothing_else() -> None:
    player = Player(LOOSE, Quiet(snoozed=True))
    for seq in range(8):
        player.give(score(seq, 0.9), 1000.0 + seq)
    assert player.events == []
    player.quiet = Quiet()
    player.give(score(8, 0.9), 1008.0)
    assert names(player.events) == ["new"], "the level still holds when the snooze is over"
    assert player.events[0].alert.started == 1002.0
    player.quiet = Quiet(snoozed=True)
    for seq in range(9, 20):
        player.give(score(seq, 0.9 if seq < 14 else 0.1), 1000.0 + seq)
    assert names(player.events) == ["new", *["update"] * 4, "end"], "an open one goes on and ends"


def test_a_cool_down_from_the_future_does_not_mute_the_camera() -> None:
    player = Player(RULES, Quiet(camera_opened=4600.0))
    for seq in range(5):
        player.give(score(seq, 0.9), 1000.0 + seq)
    assert names(player.events)[:1] == ["new"]


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
    assert due(state, LOOSE) == state.heard + 5
    assert tick(state, LOOSE, state.heard + 4.9) == (state, ())
    after, (gone,) = tick(state, LOOSE, state.heard + 5)
    alert = gone.event.alert
    assert (gone.event.event, alert.end_reason, alert.ended) == ("end", "track-ended", 1004.0)
    assert after.alert is None
    _, (lost,) = tick(state, LOOSE, state.heard + 5, live=False)
    assert lost.event.alert.end_reason == "camera-lost"
    assert tick(after, LOOSE, NOW) == (after, ()), "once"


def test_silence_is_counted_from_when_one_could_hear() -> None:
    state, _ = play([score(seq, 0.9) for seq in range(5)])
    state, _ = step(state, score(6, 0.9), LOOSE, 1005.0)
    assert tick(state, LOOSE, 1100.0, since=1099.0) == (state, ())
    state, told = tick(state, LOOSE, 1101.0, since=1099.0)
    assert (state.waiting, state.next, told[0].event.event) == ((), 7, "update"), "it has waited since then"
    assert tick(state, LOOSE, 1104.0, since=1099.0)[1][0].event.event == "end"


def test_after_silence_the_old_scores_raise_nothing_again() -> None:
    state, events = play([score(seq, 0.9) for seq in [0, 1, 2, 3, 5]])
    assert names(events) == ["new"]
    state, (update, end) = tick(state, LOOSE, state.heard + 5)
    assert (update.event.event, end.event.event, end.event.alert.ended) == ("update", "end", 1005.0)
    state, events = play([score(4, 0.99), score(6, 0.9), score(7, 0.9)], state=state)
    assert events == [], "a late one does not count, and two are too few"


def test_a_score_waits_for_the_ones_before_it() -> None:
    state, events = play([score(seq, 0.9) for seq in (0, 1, 3)])
    assert events == []
    assert (state.next, [point.seq for point in state.waiting]) == (2, [3])
    assert due(state, LOOSE) == 1003.0 + LOOSE.hold_s
    state, told = step(state, score(2, 0.9), LOOSE, 1004.0)
    assert [(one.event.event, one.event.at, one.event.alert.id, one.seq) for one in told] == [
        ("new", 1004.0, "door-1-0-3", 3)
    ]
    assert (state.next, state.waiting) == (4, ())


@pytest.mark.parametrize("by", ["tick", "score"])
def test_a_gap_is_given_up_after_the_hold(by: str) -> None:
    state, events = play([score(seq, 0.9) for seq in (0, 1, 2, 4)])
    assert events == []
    assert tick(state, LOOSE, 1005.9) == (state, ())
    if by == "tick":
        state, told = tick(state, LOOSE, 1006.0)
    else:
        state, told = step(state, score(6, 0.9), LOOSE, 1006.0)
        assert [point.seq for point in state.waiting] == [6], "its own gap is younger"
    assert [(one.event.event, one.seq) for one in told] == [("new", 4)]
    assert (state.next, state.level.counted) == (5, 4)
    late, told = step(state, score(3, 0.1), LOOSE, 1007.0)
    assert (late.level, late.trace, late.waiting, told) == (state.level, state.trace, state.waiting, ())
    assert late.settled != state.settled, "it counts for nothing, but it is settled"
    assert step(late, score(3, 0.1), LOOSE, 1007.0) == (late, ())


def test_a_window_without_a_score_fills_the_gap() -> None:
    state, _ = play([score(seq, 0.9) for seq in (0, 1, 3, 4)])
    state, told = settle(state, 2, LOOSE, 1006.0)
    assert [one.event.event for one in told] == ["new"]
    assert told[0].event.at == 1006.0


def test_an_alert_stays_open_while_its_track_s_windows_are_given_up_unscored() -> None:
    """Under overload tracks take turns of longer than `end_after_s`."""
    state, events = play([score(seq, 0.9) for seq in range(5)])
    assert names(events) == ["new"]
    now = state.heard
    for late in range(1, 4):
        now += LOOSE.end_after_s - 0.1
        state, told = settle(state, 4 + late, LOOSE, now)
        assert told == ()
        state, told = tick(state, LOOSE, now)
        assert told == ()
    state, told = tick(state, LOOSE, now + LOOSE.end_after_s)
    assert [one.event.event for one in told] == ["end"], "and ends once no window comes any more"


def test_a_track_that_is_met_in_the_middle_waits_once() -> None:
    """Its state had expired, or no worker had ever seen it."""
    state, events = play([score(seq, 0.9) for seq in (40, 41)])
    assert (events, state.level.counted, len(state.waiting)) == ([], 0, 2)
    state, events = play([score(seq, 0.9) for seq in (42, 43, 44)], state=state)
    assert (names(events), state.level.counted, state.waiting) == (["new"], 5, ())


def test_no_alert_is_lost_when_the_track_ends_with_scores_waiting() -> None:
    player = Player()
    for seq in (0, 2, 3, 4, 5):
        player.give(score(seq, 0.95), 1000.0)
    assert player.events == []
    player.tick(1002.0)
    player.tick(1005.0)
    assert [(event.event, event.at) for event in player.events] == [("new", 1002.0), ("end", 1005.0)]
    assert player.events[0].alert.id == "door-1-0-4"


def test_silence_takes_even_those_that_might_wait_longer() -> None:
    rules = replace(LOOSE, hold_s=60.0)
    state, _ = play([score(seq, 0.95) for seq in (0, 2, 3, 4, 5)], rules)
    state, told = tick(state, rules, state.heard + rules.end_after_s)
    assert [one.event.event for one in told] == ["new", "end"]
    assert (state.waiting, due(state, rules)) == ((), None)


def test_no_more_than_so_many_wait() -> None:
    state, events = play([score(seq, 0.9, captured=1000.0 + seq / 100) for seq in range(1, WAITING + 1)])
    assert (events, len(state.waiting)) == ([], WAITING)
    state, _ = step(state, score(2 * WAITING, 0.9), LOOSE, 1000.7)
    assert (state.next, [point.seq for point in state.waiting]) == (WAITING + 1, [2 * WAITING])


def test_a_number_far_ahead_costs_no_time() -> None:
    state, _ = step(start(), score(10**15, 0.9), LOOSE, NOW)
    state, _ = tick(state, LOOSE, NOW + LOOSE.hold_s)
    assert state.next == 10**15 + 1


def test_without_a_hold_every_score_counts_as_it_comes() -> None:
    state, _ = play([score(5, 0.9), score(3, 0.9), score(6, 0.9)], replace(LOOSE, hold_s=0.0))
    assert (state.level.counted, state.next, state.waiting) == (2, 7, ())


def test_a_clock_that_stepped_back_restarts_silence_and_waiting() -> None:
    state, _ = play([score(seq, 0.9) for seq in (0, 1, 2, 3, 6)])
    early = state.heard - 600
    state, told = tick(state, LOOSE, early)
    assert told == ()
    assert due(state, LOOSE) == early + LOOSE.hold_s
    state, (update,) = tick(state, LOOSE, early + LOOSE.hold_s)
    assert update.event.event == "update"
    state, (end,) = tick(state, LOOSE, early + LOOSE.end_after_s)
    assert end.event.event == "end"


def test_a_capture_clock_that_steps_back_still_opens() -> None:
    times = [1000.0, 1001.0, 1002.0, *(-2600.0 + i for i in range(6))]
    _, events = play([score(seq, 0.9, captured=at) for seq, at in enumerate(times)])
    assert names(events)[:1] == ["new"]


def test_a_window_settled_without_a_score_is_recognised() -> None:
    state, _ = settle(start(), 3, LOOSE, NOW)
    assert step(state, score(3, 0.99), LOOSE, NOW) == (state, ())
    assert settle(state, 3, LOOSE, NOW) == (state, ())


def test_the_trace_tells_what_came_before_and_all_of_the_alert() -> None:
    ps = [0.1] * 100 + [0.9] * 60 + [0.1] * 6
    player = Player()
    for seq, p in enumerate(ps):
        player.give(score(seq, p, captured=1000.0 + seq, verdict="unsure" if seq == 104 else None), 1000.0 + seq)
    assert set(names(player.events)[1:-1]) == {"update"}
    new, end = player.told[0], player.told[-1]
    assert new.trace.alert == new.event.alert.id
    assert new.trace.points[-1] == (new.event.alert.updated, 0.9, "fake")
    assert new.trace.points[0][0] == new.event.alert.updated - 30
    assert end.trace.points[0] == new.trace.points[0]
    assert (new.event.event, end.event.event, end.event.alert.updated) == ("new", "end", 1163.0)
    assert [p for _, p, _ in end.trace.points] == ps[73:164]
    assert (1104.0, 0.9, "unsure") in end.trace.points


def test_the_trace_before_an_alert_is_bounded_by_number_too() -> None:
    state, _ = play([score(seq, 0.1, captured=1000 + seq / 100) for seq in range(500)])
    assert len(state.trace) == BEFORE


def test_a_long_alert_s_trace_is_thinned_where_it_is_old_and_keeps_its_peaks() -> None:
    player = Player()
    for seq in range(4 * DURING):
        player.give(score(seq, 0.99 if seq == 40 else 0.9, captured=1000.0 + seq), 1000.0 + seq)
    trace = player.state.trace
    assert len(trace) <= DURING
    times = [captured for captured, _, _ in trace]
    assert times == sorted(times)
    assert times[-DURING // 2 :] == [1000.0 + seq for seq in range(4 * DURING)][-DURING // 2 :]
    assert (1040.0, 0.99, "fake") in trace


def test_the_state_survives_its_encoding() -> None:
    state, _ = play([score(seq, 0.9) for seq in range(9)])
    assert TrackState.decode(state.encode()) == state


def test_rules_take_the_checkpoint_s_thresholds_where_none_are_set() -> None:
    rules = Rules.of(AlertSettings(), suspect=0.4, fake=0.7)
    assert (rules.enter, rules.exit) == (0.7, 0.4)
    rules = Rules.of(AlertSettings(enter=0.3, exit=0.6), suspect=0.4, fake=0.7)
    assert (rules.enter, rules.exit) == (0.3, 0.3), "leaving above where one enters would never hold an alert"
