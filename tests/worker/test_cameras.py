"""Alerts of cameras, without Redis and without a clock."""

from __future__ import annotations

import random
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from wire.messages import AlertEvent, CameraState, CameraStatus
from wire.settings import Settings
from worker.cameras import RENEW_S, REWORD_S, SETTLE_S, Limits, Look, Troubles, diagnose, look, remove

NOW = 5000.0
LIMITS = Limits.of(Settings(alerts={"no_face_after_min": 1}))


def camera(state: CameraStatus = "live", faces: int = 1, updated: float = NOW, error: str = "") -> CameraState:
    return CameraState(
        name="door", state=state, source="", error=error, since=0, updated=updated, faces=faces, owner="s1"
    )


class Watcher:
    """Looks at one camera once a second."""

    def __init__(self, limits: Limits = LIMITS, since: float = 0.0) -> None:
        self.limits, self.since, self.now, self.snoozed = limits, since, NOW, False
        self.troubles, self.events = Troubles(camera="door"), list[AlertEvent]()

    def look(self, state: CameraState | None) -> None:
        at = Look(self.now, self.since, self.snoozed)
        self.troubles, events = look(self.troubles, state, self.limits, at)
        self.events += events

    def watch(self, seconds: int, state: CameraStatus | None = "live", faces: int = 1, **changed: Any) -> None:
        """`seconds` looks at a camera in this state, which its streamer reports each second."""
        for _ in range(seconds):
            self.now += 1
            self.look(None if state is None else camera(state, faces, self.now, **changed))

    @property
    def told(self) -> list[str]:
        return [f"{event.event} {event.alert.kind} {event.alert.end_reason or ''}".strip() for event in self.events]


def test_the_limits_are_the_settings() -> None:
    assert Limits.of(Settings()).after == {"offline": 30.0, "frozen": 15.0, "no-face": None}
    never = Settings(alerts={"offline_after_s": None, "frozen_after_s": None, "no_face_after_min": 2})
    assert Limits.of(never).after == {"offline": None, "frozen": None, "no-face": 120.0}


@pytest.mark.parametrize("faces", [0, 1])
def test_a_camera_that_nobody_has_time_to_look_at_is_not_watched(faces: int) -> None:
    late = replace(camera(faces=faces), late_since=NOW - 6)
    assert diagnose(late, 5.0, NOW)[0] == "offline"
    assert diagnose(late, 5.0, NOW - 2)[0] == ("no-face" if faces == 0 else None)


@pytest.mark.parametrize("state", get_args(CameraStatus))
def test_every_state_is_something(state: CameraStatus) -> None:
    """A state that is added is thought of here."""
    ailment, why = diagnose(camera(state), 5.0, NOW)
    expected = {"live": None, "ended": None, "frozen": "frozen"}.get(state, "offline")
    assert ailment == expected
    assert bool(why) == (ailment is not None)
    assert ":" in why or not why, "a cause and a remedy"


def test_words_for_the_operator() -> None:
    refused = "rtsp://192.0.2.1/a: unauthorised (401): check the user and password in the camera's url"
    assert diagnose(camera("unauthorised", error=refused), 5, NOW) == (
        "offline", f"the camera refuses the user or password: {refused}",
    )  # fmt: skip
    assert diagnose(None, 5, NOW)[1].startswith("no streamer has reported this camera")
    assert diagnose(camera(updated=NOW - 6), 5, NOW)[1].startswith("streamer s1 is silent")
    assert diagnose(camera(updated=NOW + 60), 5, NOW)[1].startswith("the clock of streamer s1 is 60 s ahead")
    assert diagnose(camera(faces=0), 5, NOW)[0] == "no-face"


@pytest.mark.parametrize("state", ["disconnected", "timeout", "unauthorised", "connecting", None])
def test_offline_after_its_time_and_over_when_the_camera_is_back(state: CameraStatus | None) -> None:
    watcher = Watcher()
    watcher.watch(5)
    watcher.watch(30, state)
    assert watcher.told == []
    watcher.watch(1, state)
    (new,) = watcher.events
    alert = new.alert
    assert (alert.id, alert.kind, alert.severity) == ("door-offline-5006000", "offline", "warning")
    assert (alert.started, alert.updated, new.at) == (NOW + 6, NOW + 36, NOW + 36)
    assert (alert.track, alert.model, alert.windows) == ("", "", 0)
    assert (alert.score, alert.peak, alert.mean, alert.threshold) == (None, None, None, None)
    watcher.watch(2)
    assert watcher.told == ["new offline"]
    watcher.watch(1)
    assert watcher.told == ["new offline", "end offline cleared"]
    assert watcher.events[-1].alert.ended == NOW + 37, "when it was back, not when that was believed"
    assert watcher.troubles.of == {}


def test_a_silent_streamer_is_offline_but_not_after_a_file_has_ended() -> None:
    watcher = Watcher()
    for _ in range(60):
        watcher.now += 1
        watcher.look(camera("ended", updated=NOW))
    assert watcher.told == []
    for _ in range(60):
        watcher.now += 1
        watcher.look(camera("live", updated=NOW + 60))
    assert watcher.told == ["new offline"]
    assert watcher.events[0].at == NOW + 60 + 6 + 30


def test_frozen() -> None:
    watcher = Watcher()
    watcher.watch(16, "frozen", error="no new picture for 3 s")
    assert watcher.told == ["new frozen"]
    assert "no new picture for 3 s" in watcher.events[0].alert.detail
    watcher.watch(3)
    assert watcher.told == ["new frozen", "end frozen cleared"]


def test_no_face_only_if_asked_for() -> None:
    watcher = Watcher()
    watcher.watch(61, faces=0)
    watcher.watch(3, faces=2)
    assert watcher.told == ["new no-face", "end no-face cleared"]
    silent = Watcher(Limits.of(Settings()))
    silent.watch(1000, faces=0)
    assert silent.told == []


@pytest.mark.parametrize("up", [1, 2])
def test_a_flapping_camera_does_not_flap_its_alert(up: int) -> None:
    watcher = Watcher()
    for _ in range(20):
        watcher.watch(10, "disconnected")
        watcher.watch(up)
    assert watcher.told == ["new offline"]


def test_a_break_that_is_long_enough_counts_anew() -> None:
    watcher = Watcher()
    for _ in range(20):
        watcher.watch(25, "disconnected")
        watcher.watch(4)
    assert watcher.told == []


def test_what_a_graver_ailment_hides_is_neither_begun_nor_over() -> None:
    watcher = Watcher()
    watcher.watch(16, "frozen")
    watcher.watch(20, "disconnected")
    assert watcher.told == ["new frozen"], "nobody can say whether it still stands still"
    watcher.watch(11, "disconnected")
    assert watcher.told == ["new frozen", "new offline", "end frozen camera-lost"]
    watcher.watch(40, faces=0)
    assert watcher.told[3:] == ["end offline cleared"]
    watcher.watch(20, "disconnected")
    watcher.watch(50, faces=0)
    assert watcher.told[4:] == [], "a minute without a face, but it was not seen for all of it"


def test_a_snooze_holds_new_ones_back_until_it_is_over() -> None:
    watcher = Watcher()
    watcher.snoozed = True
    watcher.watch(100, "timeout")
    assert watcher.told == []
    watcher.snoozed = False
    watcher.watch(1, "timeout")
    assert watcher.told == ["new offline"]
    assert watcher.events[0].alert.started == NOW + 1
    watcher.snoozed = True
    watcher.watch(3)
    assert watcher.told == ["new offline", "end offline cleared"]


def test_time_is_counted_from_when_one_could_look() -> None:
    watcher = Watcher()
    watcher.watch(10, "timeout")
    watcher.now += 1000
    watcher.since = watcher.now
    watcher.watch(29, "timeout")
    assert watcher.told == []
    watcher.watch(1, "timeout")
    assert watcher.told == ["new offline"]
    watcher.now += 1000
    watcher.since = watcher.now
    watcher.look(camera(updated=watcher.now))
    assert watcher.told == ["new offline"], "one good look is not enough after a pause either"


def test_a_clock_that_stepped_back_keeps_nothing_for_ever() -> None:
    watcher = Watcher()
    watcher.watch(10, "timeout")
    watcher.now -= 3600
    watcher.watch(31, "timeout")
    assert watcher.told == ["new offline"]
    watcher.watch(1)
    watcher.now -= 600
    watcher.watch(3)
    assert watcher.told == ["new offline", "end offline cleared"]
    alert = watcher.events[-1].alert
    assert alert.ended is not None
    assert alert.ended >= alert.started


def test_another_cause_is_told_but_not_at_every_change() -> None:
    watcher = Watcher()
    watcher.watch(31, "timeout")
    for _ in range(35):
        watcher.watch(2, "refused")
        watcher.watch(2, "timeout")
    assert watcher.told == ["new offline", *["update offline"] * int(140 / REWORD_S)]
    assert watcher.events[1].alert.detail.startswith("nothing listens")


def test_an_alert_that_stands_is_told_again() -> None:
    watcher = Watcher()
    watcher.watch(31, "timeout")
    watcher.watch(int(RENEW_S), "timeout")
    assert watcher.told == ["new offline", "update offline"]


def test_a_camera_that_is_removed_ends_all_its_alerts() -> None:
    watcher = Watcher()
    watcher.watch(31, "timeout")
    (end,) = remove(watcher.troubles, watcher.now)
    assert (end.event, end.alert.end_reason, end.alert.ended) == ("end", "camera-removed", watcher.now)
    assert remove(Troubles(camera="door"), NOW) == ()


def test_a_kind_that_is_switched_off_ends() -> None:
    watcher = Watcher()
    watcher.watch(31, "timeout")
    watcher.limits = Limits.of(Settings(alerts={"offline_after_s": None}))
    watcher.watch(3, "timeout")
    assert watcher.told == ["new offline", "end offline cleared"]


def test_what_is_remembered_survives_its_encoding() -> None:
    watcher = Watcher()
    watcher.watch(31, "timeout")
    watcher.watch(1)
    assert Troubles.decode(watcher.troubles.encode()) == watcher.troubles


STATES = st.lists(st.tuples(st.sampled_from([*get_args(CameraStatus), None]), st.integers(1, 90)), max_size=12)


@settings(max_examples=200, deadline=None)
@given(STATES, st.randoms(use_true_random=False))
def test_every_new_gets_its_end(phases: list[tuple[CameraStatus | None, int]], chance: random.Random) -> None:
    watcher = Watcher()
    for state, seconds in phases:
        watcher.snoozed = chance.random() < 0.2
        watcher.watch(seconds, state, faces=chance.randrange(2))
    watcher.snoozed = False
    watcher.watch(int(SETTLE_S) + 1)
    assert watcher.troubles.of == {}
    is_open: dict[str, str] = {}
    seen = set()
    for event in watcher.events:
        kind, id = event.alert.kind, event.alert.id
        if event.event == "new":
            assert kind not in is_open
            assert id not in seen
            is_open[kind] = id
            seen.add(id)
        else:
            assert is_open[kind] == id
        if event.event == "end":
            assert event.alert.ended is not None
            assert event.alert.ended >= event.alert.started
            del is_open[kind]
    assert not is_open
