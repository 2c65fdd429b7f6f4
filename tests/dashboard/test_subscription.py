"""What a subscriber asked for, and nothing else, comes."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.dashboard.feed import Feed
from tests.dashboard.talk import Start, subscribe, talking
from tests.support.servers import wait_until
from wire.messages import Review


def test_the_life_of_an_alert(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    with talking(one) as talk:
        subscribe(talk)
        written = [feed.alert("a", event) for event in ("new", "update", "end")]
        got = [talk.hear("alert") for _ in written]
    assert [message["event"] for message in got] == ["new", "update", "end"]
    assert [message["cursor"] for message in got] == written
    assert {message["sub"] for message in got} == {"s"}
    assert got[2]["alert"]["end_reason"] == "cleared"


def test_without_since_the_past_is_not_sent(dashboard: Start, feed: Feed) -> None:
    feed.alert("old")
    one = dashboard().synced()
    with talking(one) as talk:
        subscribe(talk)
        feed.alert("new")
        assert talk.hear("alert")["alert"]["id"] == "new"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"cameras": ["do*"]}, [0, 1]),
        ({"cameras": ["yard", "door-1"]}, [0, 2, 3]),
        ({"kinds": ["spike"]}, [1]),
        ({"severities": ["critical"]}, [0, 1]),
        ({"events": ["end"]}, [3]),
        ({"cameras": ["yard"], "severities": ["warning"], "events": ["new"]}, [2]),
    ],
)
def test_filters(dashboard: Start, feed: Feed, filters: dict[str, Any], expected: list[int]) -> None:
    one = dashboard().synced()
    written = [
        feed.alert("a0", camera="door-1"),
        feed.alert("a1", camera="door-2", kind="spike"),
        feed.alert("a2", camera="yard", severity="warning"),
        feed.alert("a2", "end", camera="yard", severity="warning"),
    ]
    with talking(one) as talk:
        subscribe(talk, since="0", **filters)
        got = [talk.hear("alert")["cursor"] for _ in expected]
        talk.say(type="ping", id="done")
        talk.hear("pong")
    assert got == [written[n] for n in expected]


def test_scores_and_cameras_come_when_asked_for(dashboard: Start, feed: Feed) -> None:
    one = dashboard(stale_after_s=60).synced()
    with talking(one) as talk:
        subscribe(talk, topics=["scores", "cameras"], cameras=["door"])
        feed.score("yard")
        feed.camera("door")
        camera = talk.hear("camera")
        assert camera["camera"]["name"] == "door"
        feed.score("door", 0.93)
        score = talk.hear("score", "camera")
        while score["type"] == "camera":
            score = talk.hear("score", "camera")
        assert score["score"]["p_fake"] == 0.93
        wait_until(lambda: talk.hear("camera")["camera"]["verdict"] == "fake", 15, "the verdict follows the score")


def test_what_befell_cameras_between_welcome_and_subscription_is_told(dashboard: Start, feed: Feed) -> None:
    """Else a client that takes its time shows one that is gone, or stands still since, for ever as it was."""
    for name in ("gone", "frozen", "yard"):
        feed.camera(name)
    one = dashboard(stale_after_s=60).synced()
    with talking(one) as talk:
        assert {view["verdict"] for view in talk.welcome["snapshot"]["cameras"]} == {"unsure"}
        feed.camera("frozen", "frozen")
        feed.bus.srem(feed.keys.camera_names, "gone")
        feed.bus.delete(feed.keys.camera("gone"))
        wait_until(lambda: "gone" not in one.hub.cameras, 15, "it is gone")
        wait_until(lambda: one.hub.cameras.view("frozen", time.time()).verdict == "stale", 15, "it is stale")
        subscribe(talk, topics=["alerts"])
        talk.say(type="subscribe", id="c", topics=["cameras"], cameras=["gone", "frozen"])
        talk.hear("subscribed")
        told = [talk.hear("camera") for _ in range(2)]
        found = {each["camera"]["name"]: (each["sub"], each["camera"]["verdict"], each["removed"]) for each in told}
        assert found == {"gone": ("c", "offline", True), "frozen": ("c", "stale", False)}


def test_camera_alerts_have_no_scores_and_can_be_filtered(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    nothing = {"score": None, "peak": None, "mean": None, "threshold": None, "track": "", "model": ""}
    with talking(one) as talk:
        subscribe(talk, kinds=["offline", "frozen"])
        feed.alert("face")
        feed.alert("quiet", kind="no-face", **nothing)
        feed.alert("away", kind="offline", severity="warning", detail="401 Unauthorized", **nothing)
        alert = talk.hear("alert")["alert"]
    assert (alert["id"], alert["kind"], alert["detail"]) == ("away", "offline", "401 Unauthorized")
    assert alert["score"] is None


def test_reviews_are_events_and_can_come_after_the_end(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    review = Review(alert="a", verdict="confirmed", note="called him", at=1.0)
    with talking(one) as talk:
        subscribe(talk, events=["review"])
        feed.alert("a")
        feed.alert("a", "end")
        feed.alert("a", "review", ended=2.0, end_reason="cleared", review=review)
        message = talk.hear("alert")
    assert message["event"] == "review"
    assert message["alert"]["review"]["note"] == "called him"
    assert message["alert"]["score"] == 0.9


def test_two_subscriptions_and_the_end_of_one(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    with talking(one) as talk:
        talk.say(type="subscribe", id="a", cameras=["door"])
        talk.say(type="subscribe", id="b")
        talk.hear("subscribed")
        talk.hear("subscribed")
        feed.alert("x")
        assert sorted(talk.hear("alert")["sub"] for _ in range(2)) == ["a", "b"]
        talk.say(type="unsubscribe", id="b")
        talk.hear("unsubscribed")
        feed.alert("y")
        assert talk.hear("alert")["sub"] == "a"
        talk.say(type="unsubscribe", id="b")
        assert talk.hear("error")["code"] == "unknown-subscription"
