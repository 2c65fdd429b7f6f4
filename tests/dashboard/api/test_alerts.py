from __future__ import annotations

import io
import itertools
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis

from dashboard.api import types
from dashboard.patterns import matches
from tests.dashboard.conftest import Running
from tests.dashboard.feed import BASELINE, Feed, alert_event
from tests.support.servers import wait_until
from wire.keys import FIELD
from wire.messages import Alert, AlertEvent, Review

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
Start = Callable[..., Running]
BURST = 200  # commits of a worker beside one verdict


def ids(one: Running, **query: Any) -> list[str]:
    answer = httpx.get(f"{one.http}/api/v1/alerts", params=query)
    assert answer.status_code == 200, answer.text
    return [alert["id"] for alert in answer.json()["alerts"]]


def judge(one: Running, id: str, verdict: str, note: str = "") -> httpx.Response:
    return httpx.post(f"{one.http}/api/v1/alerts/{id}/verdict", json={"verdict": verdict, "note": note})


def events(feed: Feed) -> list[AlertEvent]:
    rows: Any = feed.bus.xrange(feed.keys.alerts)
    return [AlertEvent.decode(fields[FIELD]) for _, fields in rows]


def test_an_alert_that_is_no_longer_to_be_kept_is_forgotten_by_a_dashboard_that_goes_on(
    dashboard: Start, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.alert("open")
    feed.alert("ended")
    feed.alert("ended", "end")
    one = dashboard(keep_s=3600.0, stale_after_s=86_400).synced()
    assert set(ids(one)) == {"open", "ended"}
    monkeypatch.setattr(one.hub, "_clock", lambda: time.time() + 3700)
    wait_until(lambda: ids(one) == ["open"], 20, "it is forgotten")
    assert one.hub.recent.after(one.hub.recent.base, 10) == []


def test_alerts_are_filtered_and_paged(dashboard: Start, feed: Feed) -> None:
    now = float(int(time.time()))
    for number in range(7):
        feed.alert(f"a{number}", "new", "door" if number % 2 else "yard", started=now + number)
    feed.alert("a3", "end", "door", started=now + 3)
    feed.alert("a3", "update", "door", started=now + 3)  # late: what has ended stays ended
    feed.alert("o", "new", "yard-2", started=now - 5, kind="offline", severity="warning", track="", score=None)
    one = dashboard().synced()
    assert ids(one) == ["a6", "a5", "a4", "a3", "a2", "a1", "a0", "o"]
    assert ids(one, camera="door") == ["a5", "a3", "a1"]
    assert ids(one, camera="yard*") == ["a6", "a4", "a2", "a0", "o"]
    assert ids(one, camera=["yard-*", "do?r"], limit=2) == ["a5", "a3"]
    assert ids(one, state="ended") == ["a3"]
    assert ids(one, state="open", camera="door") == ["a5", "a1"]
    assert ids(one, kind=["offline", "frozen"]) == ["o"]
    assert ids(one, severity="critical", camera="yard-2") == []
    assert ids(one, **{"from": now + 2, "to": now + 4}) == ["a4", "a3", "a2"]
    page = httpx.get(f"{one.http}/api/v1/alerts?limit=3").json()
    assert page["next"] == "a4"
    assert ids(one, limit=3, before=page["next"]) == ["a3", "a2", "a1"]
    assert httpx.get(f"{one.http}/api/v1/alerts?limit=5&before=a3").json()["next"] is None


def test_a_pattern_is_compared_once_with_each_camera_however_many_alerts_it_has(
    dashboard: Start, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []

    def counted(name: str, pattern: str) -> bool:
        compared.append((name, pattern))
        return matches(name, pattern)

    for number in range(300):
        feed.alert(f"a{number}", camera=f"cam-{number % 2}")
    one = dashboard().synced()
    wait_until(lambda: len(one.hub.alerts) == 300, 15, "all is read")
    monkeypatch.setattr(types, "matches", counted)
    patterns = [f"cam-*x{number}" for number in range(60)]
    found = httpx.get(f"{one.http}/api/v1/alerts", params={"camera": patterns}).json()
    assert found["alerts"] == []
    assert len(compared) == len(set(compared)) == 120


def test_wrong_filters_are_refused_with_the_fields_name(dashboard: Start) -> None:
    one = dashboard().synced()
    for wrong in (
        "limit=0", "limit=501", "limit=x", "limit=", "limit=1&limit=2", "state=closed", "before=unknown", "before=",
        "kind=swap", "kind=spike&kind=x", "severity=high", "review=maybe", "from=yesterday", "to=x", "camera=",
        "cameras=door", "from=nan", "to=inf", "from=-Infinity",
    ):  # fmt: skip
        answer = httpx.get(f"{one.http}/api/v1/alerts?{wrong}")
        assert answer.status_code == 400, wrong
        assert wrong.partition("=")[0] in answer.json()["error"], answer.text
        assert "\n" not in answer.json()["error"]
    assert httpx.get(f"{one.http}/api/v1/alerts?state=closed").json()["error"].endswith("known here: ended, open")


def test_a_list_that_has_not_changed_is_not_sent_again(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    one = dashboard().synced()
    first = httpx.get(f"{one.http}/api/v1/alerts")
    assert first.headers["cache-control"] == "no-cache"
    again = httpx.get(f"{one.http}/api/v1/alerts", headers={"if-none-match": f'"x", W/{first.headers["etag"]}'})
    assert again.status_code == 304
    assert again.content == b""
    feed.alert("a2")
    wait_until(lambda: ids(one) == ["a2", "a1"], 10, "the alert is read")
    changed = httpx.get(f"{one.http}/api/v1/alerts", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


def test_a_verdict_is_kept_beside_the_score_and_told(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1", peak=0.97)
    one = dashboard(keep_s=3600.0).synced()
    answer = judge(one, "a1", "confirmed", "a mask\nof ä")
    assert answer.status_code == 200, answer.text
    review = answer.json()["review"]
    assert (review["alert"], review["verdict"], review["note"]) == ("a1", "confirmed", "a mask\nof ä")
    kept = feed.bus.get(feed.keys.review("a1"))
    assert isinstance(kept, bytes)
    assert msgspec.to_builtins(Review.decode(kept)) == review
    for key in (feed.keys.review("a1"), feed.keys.alert("a1")):
        assert 3_500_000 < feed.bus.pttl(key) <= 3_600_000
    told = events(feed)[-1]
    assert told.event == "review"
    assert told.alert.review == Review.decode(kept)
    assert told.alert.peak == 0.97
    stored = feed.bus.get(feed.keys.alert("a1"))
    assert isinstance(stored, bytes)
    assert not isinstance(Alert.decode(stored).review, Review)  # what the worker wrote is as it was
    assert httpx.get(f"{one.http}/api/v1/alerts/a1").json()["alert"]["review"] == review
    assert httpx.get(f"{one.http}/api/v1/alerts?review=confirmed").json()["alerts"][0]["review"] == review
    feed.alert("a1", "end")
    wait_until(lambda: ids(one, state="ended") == ["a1"], 10, "the end is read")
    assert httpx.get(f"{one.http}/api/v1/alerts/a1").json()["alert"]["review"] == review
    two = dashboard().synced()  # one that was not there when it was said
    assert httpx.get(f"{two.http}/api/v1/alerts?review=confirmed").json()["alerts"][0]["review"] == review
    assert 'unmask_alerts_reviewed{verdict="confirmed"} 1.0' in httpx.get(f"{two.http}/metrics").text


def test_alerts_are_found_by_their_review(dashboard: Start, feed: Feed) -> None:
    now = time.time()
    for number in range(4):
        feed.alert(f"a{number}", started=now + number)
    one = dashboard().synced()
    judge(one, "a0", "confirmed")
    judge(one, "a1", "false-alarm")
    judge(one, "a2", "false-alarm")
    judge(one, "a2", "none")
    assert ids(one, review="confirmed") == ["a0"]
    assert ids(one, review=["confirmed", "false-alarm"]) == ["a1", "a0"]
    assert ids(one, review="none") == ["a3", "a2"]
    assert [event.event for event in events(feed)].count("review") == 4


def test_of_an_unknown_alert_nothing_can_be_said(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    assert judge(one, "none", "confirmed").status_code == 404
    feed.bus.set(feed.keys.alert("garbage"), b"garbage")
    assert judge(one, "garbage", "confirmed").status_code == 404
    feed.bus.hset(feed.keys.alert("hash"), "a", "b")
    assert judge(one, "hash", "confirmed").status_code == 404
    assert not feed.bus.exists(feed.keys.alerts)
    assert feed.bus.keys(feed.keys.review("*")) == []


def test_wrong_verdicts_are_refused(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    one = dashboard().synced()
    url = f"{one.http}/api/v1/alerts/a1/verdict"
    for wrong, field in (
        ({"verdict": "fake"}, "verdict"),
        ({"verdict": "confirmed", "note": "x" * 2001}, "note"),
        ({"verdict": "confirmed", "note": 5}, "note"),
        ({"note": "x"}, "verdict"),
        ({"verdict": "confirmed", "score": 0.1}, "score"),
        (["confirmed"], "object"),
    ):
        answer = httpx.post(url, json=wrong)
        assert answer.status_code == 400, wrong
        assert field in answer.json()["error"]
    assert judge(one, "a1", "confirmed", "x" * 2000).status_code == 200
    json = {"content-type": "application/json"}
    assert httpx.post(url, content=b"{", headers=json).status_code == 400
    assert httpx.post(url, content=b'"\xff"', headers=json).status_code == 400
    assert httpx.post(url, content=b"[" * 60_000, headers=json).status_code == 400
    assert httpx.post(url, content=b" " * 65_537, headers=json).status_code == 413
    assert httpx.post(url, data={"verdict": "confirmed"}).status_code == 415
    assert httpx.put(url, json={"verdict": "confirmed"}).status_code == 405


def test_other_sites_pages_may_change_nothing(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.camera("door")
    one = dashboard(token="s3cret").synced()
    token = {"authorization": "Bearer s3cret"}
    for method, path, body in (
        ("POST", "alerts/a1/verdict", {"verdict": "confirmed"}),
        ("POST", "cameras/door/snooze", {"minutes": 5}),
        ("DELETE", "cameras/door/snooze", None),
        ("POST", "snooze", {"minutes": 5}),
        ("DELETE", "snooze", None),
    ):
        url = f"{one.http}/api/v1/{path}"
        for origin in ("http://evil.example", "null", "http://[", f"ftp://127.0.0.1:{one.port}"):
            answer = httpx.request(method, url, json=body, headers={**token, "origin": origin})
            assert answer.status_code == 403, (path, origin)
        assert httpx.request(method, url, json=body).status_code == 401
        answer = httpx.request(method, url, json=body, headers={**token, "origin": one.http})
        assert answer.status_code == 200, answer.text


def test_a_verdict_meets_the_workers_commits(dashboard: Start, feed: Feed, redis_url: str) -> None:
    """While a worker writes the alert as fast as it can: every review event holds the alert as it stood.

    It writes in bursts: each commit makes the review begin again, so one that never ends, on a machine where the
    dashboard is the slower of the two, would leave it no turn.
    """
    feed.alert("a1", windows=0)
    one = dashboard().synced()
    may, stop = threading.Semaphore(0), threading.Event()

    def work() -> None:
        with redis.Redis.from_url(redis_url) as bus:
            for number in itertools.count(1):
                may.acquire()
                if stop.is_set():
                    return
                event = alert_event("a1", "update", windows=number, started=5.0)
                pipe = bus.pipeline()
                pipe.xadd(feed.keys.alerts, {FIELD: event.encode()})  # type: ignore[dict-item]
                pipe.set(feed.keys.alert("a1"), event.alert.encode())
                pipe.execute()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with httpx.Client(base_url=one.http, timeout=60) as client:
            for number in range(20):
                may.release(BURST)
                said = {"verdict": "confirmed", "note": str(number)}
                assert client.post("/api/v1/alerts/a1/verdict", json=said).status_code == 200
    finally:
        stop.set()
        may.release()
        worker.join()
    before, notes = 0, []
    for event in events(feed):
        if event.event == "review":
            assert isinstance(event.alert.review, Review)
            assert event.alert.windows == before
            notes.append(event.alert.review.note)
        before = event.alert.windows
    assert notes == [str(number) for number in range(20)]


def test_an_alert_the_book_has_forgotten_is_still_found(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    old = alert_event("old", "end", started=5.0).alert
    feed.bus.set(feed.keys.alert("old"), old.encode())
    feed.bus.set(feed.keys.review("old"), Review(alert="old", verdict="confirmed", at=6.0).encode())
    feed.alert("older", started=4.0)
    wait_until(lambda: ids(one) == ["older"], 10, "the alert is read")
    assert httpx.get(f"{one.http}/api/v1/alerts/old").json()["alert"]["review"]["verdict"] == "confirmed"
    assert ids(one, before="old") == ["older"]


def test_the_export_checks_out_and_is_the_same_each_time(dashboard: Start, feed: Feed, tmp_path: Path) -> None:
    feed.alert("a1", "end")
    feed.all_evidence("a1", [JPEG, JPEG + b"2"])
    one = dashboard().synced()
    assert httpx.get(f"{one.http}/api/v1/alerts/none/export.zip").status_code == 404
    url = f"{one.http}/api/v1/alerts/a1/export.zip"
    answer = httpx.get(url)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="unmask-a1.zip"'
    time.sleep(1.1)  # two seconds are a ZIP's finest time
    assert httpx.get(url).content == answer.content
    assert httpx.get(url, headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    checked = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    named = {line.removesuffix(": OK") for line in checked.stdout.splitlines()}
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert named == there - {"SHA256SUMS"}
    assert (tmp_path / "crops" / "01.jpg").read_bytes() == JPEG + b"2"
    (tmp_path / "crops" / "01.jpg").write_bytes(JPEG)
    changed = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True, check=False)
    assert changed.returncode != 0
    judge(one, "a1", "confirmed", "seen")
    with zipfile.ZipFile(io.BytesIO(httpx.get(url).content)) as archive:
        assert b'"note": "seen"' in archive.read("manifest.json")
        assert BASELINE.encode() in archive.read("README.txt")
