"""Streams through the real pipeline: the default checkpoint alerts on the manipulated face and on no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.making import RULES, score, window
from unmask.live import replay, stream, trade
from unmask.live.conditions import parse
from unmask.live.schedule import Camera, Show, Visit
from wire.settings import Settings
from worker.commit import Work
from worker.level import Rules
from worker.queue import Entry
from worker.scorer import Scorer


@pytest.fixture(scope="module")
def scorer(settings: Settings) -> Scorer:
    return Scorer(settings)


def watched(camera: Camera, condition: str, folder: Path, settings: Settings, scorer: Scorer) -> list[Work]:
    made = stream.write(camera, [parse(condition)], folder, seed=1)
    return replay.watch(made[parse(condition)].path, settings, scorer, lambda done: None)


def test_the_manipulated_face_alerts_within_seconds_and_the_other_never(
    real: Show, fake: Show, tmp_path: Path, settings: Settings, scorer: Scorer
) -> None:
    camera = Camera("gate", 34.0, (Visit(real, 2.0, 14.0), Visit(fake, 16.0, 32.0)))
    works = watched(camera, "480p/600k/12", tmp_path, settings, scorer)
    assert all(not frame.jpeg for work in works for frame in work.window.frames)
    rules = Rules.of(Settings().alerts, scorer.suspect, scorer.fake)
    events = replay.alarms(works, rules)
    made = trade.balance([camera], {"gate": trade.openings(events)})
    assert made.false_alerts == 0
    assert 5.0 <= made.fakes[0].delay < 12.0  # three windows and the dwell take five seconds at least
    assert [event.event for event in events if event.event != "update"] == ["new", "end"]
    assert events[-1].alert.end_reason == "track-ended"
    assert events[-1].at < 34.0 + Settings().alerts.end_after_s + 2
    loose, strict = (trade.openings(replay.alarms(works, trade.shifted(rules, enter))) for enter in (0.0001, 0.99999))
    assert len(loose) == 2  # the real face too
    assert not strict


def windows(p_fake: float, times: list[float], track: str = "1-0") -> list[Work]:
    """Windows of one track with the same score, finished at `times`."""
    return [
        Work(Entry(b"", b"", 1, at), window(seq, track=track, captured=at), score(seq, p_fake, at, track=track))
        for seq, at in enumerate(times)
    ]


def test_alerts_end_by_the_streams_clock_and_the_cameras_cool_down_holds() -> None:
    first = windows(0.99, [2.0, 3.0, 4.0, 5.0, 6.0])
    second = windows(0.99, [7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0], track="1-1")
    events = replay.alarms([*second, *first], RULES)
    opened = [event.at for event in events if event.event == "new"]
    ended = [event.at for event in events if event.event == "end"]
    assert len(opened) == len(ended) == 2
    assert opened[0] < 7
    assert opened[1] >= opened[0] + RULES.cooldown_s
    assert ended[0] == pytest.approx(6.0 + RULES.end_after_s, abs=1.0)
    assert ended[1] == pytest.approx(16.0 + RULES.end_after_s, abs=1.0)
    assert replay.alarms([], RULES) == []
