from __future__ import annotations

import pytest

from dashboard.protocol import CameraView, ScoreMessage, encode
from dashboard.subscribers import Subscribers
from tests.dashboard.feed import BASELINE, QUALITY
from wire.messages import Score

SCORE = Score(
    window="door/1-1/0", camera="door", track="1-1", epoch=1, seq=0, logit=0.0, p_fake=0.1, verdict="clean",
    quality=QUALITY, model=BASELINE, box=(1.0, 2.0, 3.0, 4.0), frame_size=(4, 3), started=1.0, captured=2.0,
    enqueued=2.1, dequeued=2.2, scored=2.3,
)  # fmt: skip


def view(name: str) -> CameraView:
    return CameraView(name=name, verdict="offline", why="never-reported", state="unknown")


GONE = view("door")


class Notebook:
    def __init__(self) -> None:
        self.told: list[str] = []

    def wake(self) -> None:
        self.told.append("wake")

    def offer_score(self, score: Score, text: str) -> None:
        assert text == encode(ScoreMessage(score=score))
        self.told.append(f"score {score.camera}")

    def offer_camera(self, name: str, text: str) -> None:
        self.told.append(f"camera {name}" + " removed" * ('"removed":true' in text))


def test_what_came_together_wakes_once() -> None:
    subscribers, one, other = Subscribers(), Notebook(), Notebook()
    subscribers.add(one)
    subscribers.add(other)
    assert len(subscribers) == 2
    subscribers.offer_score(SCORE)
    subscribers.offer_camera(GONE, removed=True)
    subscribers.expect()
    subscribers.deliver()
    subscribers.deliver()
    assert one.told == other.told == ["score door", "camera door removed", "wake"]


def test_who_has_left_is_told_nothing() -> None:
    subscribers, one = Subscribers(), Notebook()
    subscribers.add(one)
    subscribers.expect()
    subscribers.discard(one)
    subscribers.deliver()
    subscribers.wake()
    assert (one.told, list(subscribers)) == ([], [])


def test_what_was_told_of_cameras_after_a_place_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.subscribers.MAX_VIEWS", 2)
    subscribers, one = Subscribers(), Notebook()
    subscribers.offer_camera(view("a"))
    assert list(subscribers.views_after(0)) == [], "nobody was there"
    subscribers.add(one)
    for name in ("a", "b", "a"):
        subscribers.offer_camera(view(name))
    place = subscribers.place
    subscribers.offer_camera(view("b"), removed=True)
    assert [(name, '"removed":true' in text) for name, text in subscribers.views_after(place)] == [("b", True)]
    assert [name for name, _ in subscribers.views_after(0)] == ["b", "a"]
    subscribers.offer_camera(view("c"))
    assert [name for name, _ in subscribers.views_after(0)] == ["c", "b"], "the one told longest ago goes first"
    subscribers.discard(one)
    assert list(subscribers.views_after(0)) == []
