from __future__ import annotations

import time
from collections.abc import Callable

import httpx
import pytest

from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import wait_until
from wire.messages import Snooze

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
Start = Callable[..., Running]


def views(one: Running) -> dict[str, dict[str, object]]:
    answer = httpx.get(f"{one.http}/api/v1/cameras").json()
    return {camera["name"]: camera for camera in answer["cameras"]}


def test_cameras_carry_their_verdict(dashboard: Start, feed: Feed) -> None:
    feed.camera("door")
    feed.score("door", 0.1)
    feed.camera("yard", "unauthorised", error="401", faces=0)
    one = dashboard(stale_after_s=60).synced()
    wait_until(lambda: views(one)["door"]["verdict"] == "clean", 10, "the score is read")
    assert views(one)["yard"]["verdict"] == "offline"
    assert views(one)["yard"]["why"] == "unauthorised"
    timeline = httpx.get(f"{one.http}/api/v1/cameras/door/timeline").json()
    assert timeline["tracks"]["1-1"][0][1:] == [0.1, "clean"]
    assert httpx.get(f"{one.http}/api/v1/cameras/none/timeline").status_code == 404


def test_preview_is_never_stored_and_missing_ones_are_a_json_404(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    url = f"{one.http}/api/v1/cameras/door/preview.jpg"
    missing = httpx.get(url)
    assert missing.status_code == 404
    assert list(missing.json()) == ["error"]
    feed.bus.set(feed.keys.preview("door"), JPEG, ex=30)
    answer = httpx.get(url)
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"


def test_a_snooze_expires_and_is_seen_at_once(dashboard: Start, feed: Feed) -> None:
    feed.camera("door")
    feed.camera("yard")
    one = dashboard().synced()
    before = time.time()
    answer = httpx.post(f"{one.http}/api/v1/cameras/door/snooze", json={"minutes": 30})
    assert answer.status_code == 200, answer.text
    until = answer.json()["until"]
    assert before + 1800 <= until <= time.time() + 1800
    assert answer.json() == {"camera": "door", "until": until}
    key = feed.keys.snooze("door")
    assert 1_700_000 < feed.bus.pttl(key) <= 1_800_000
    kept = feed.bus.get(key)
    assert isinstance(kept, bytes)
    assert Snooze.decode(kept).until == until
    assert views(one)["door"]["snoozed_until"] == until
    assert views(one)["yard"]["snoozed_until"] is None
    assert httpx.delete(f"{one.http}/api/v1/cameras/door/snooze").json() == {"camera": "door", "until": None}
    assert feed.bus.get(key) is None
    assert views(one)["door"]["snoozed_until"] is None


@pytest.mark.parametrize("path", ["snooze", "cameras/*/snooze"])
def test_all_cameras_are_snoozed_together(dashboard: Start, feed: Feed, path: str) -> None:
    feed.camera("door")
    feed.camera("yard")
    one = dashboard().synced()
    answer = httpx.post(f"{one.http}/api/v1/{path}", json={"minutes": 5}).json()
    assert answer["camera"] == "*"
    assert {view["snoozed_until"] for view in views(one).values()} == {answer["until"]}
    longer = httpx.post(f"{one.http}/api/v1/cameras/yard/snooze", json={"minutes": 9}).json()["until"]
    assert [view["snoozed_until"] for view in views(one).values()] == [answer["until"], longer]
    assert httpx.delete(f"{one.http}/api/v1/{path}").json() == {"camera": "*", "until": None}
    assert [view["snoozed_until"] for view in views(one).values()] == [None, longer]


def test_another_dashboards_snooze_is_noticed_and_its_end_too(dashboard: Start, feed: Feed) -> None:
    feed.camera("door")
    one = dashboard().synced()

    def snooze(seconds: int) -> float:
        now = time.time()
        said = Snooze(camera="door", until=now + seconds, at=now)
        feed.bus.set(feed.keys.snooze("door"), said.encode(), px=1000 * seconds)
        return said.until

    until = snooze(60)
    wait_until(lambda: views(one)["door"]["snoozed_until"] == until, 15, "the survey sees it")
    snooze(1)  # whether or not a survey finds this one
    wait_until(lambda: views(one)["door"]["snoozed_until"] is None, 15, "it expires")


def test_wrong_snoozes_are_refused_with_the_fields_name(dashboard: Start, feed: Feed) -> None:
    feed.camera("door")
    one = dashboard().synced()
    url = f"{one.http}/api/v1/cameras/door/snooze"
    for wrong in ({"minutes": 0}, {"minutes": 10_081}, {"minutes": "9"}, {}, {"minutes": 5, "hours": 1}):
        answer = httpx.post(url, json=wrong)
        assert answer.status_code == 400, wrong
        assert "minutes" in answer.json()["error"]
    assert httpx.post(f"{one.http}/api/v1/cameras/none/snooze", json={"minutes": 5}).status_code == 404
    assert httpx.delete(f"{one.http}/api/v1/cameras/none/snooze").status_code == 404
    assert feed.bus.keys(feed.keys.snooze("*")) == []
