from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from dashboard.api.evidence import facts
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from wire.messages import Explanation

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
MP4 = bytes(range(256)) * 8
Start = Callable[..., Running]


def test_one_alert_with_its_evidence(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.evidence("a1", [JPEG, JPEG + b"2"])
    one = dashboard().synced()
    answer = httpx.get(f"{one.http}/api/v1/alerts/a1").json()
    assert answer["alert"]["peak"] == 0.97
    first = answer["evidence"]
    assert [crop["p_fake"] for crop in first["crops"]] == [None, None]
    assert first["crops"][0]["box"] == [1.0, 2.0, 3.0, 4.0]
    assert first["trace"] == []
    assert (first["peak"], first["grid"], first["camera"], first["picture"], first["clip"]) == (None,) * 5
    assert (first["heat"], first["sheet"], first["window"]) == (False, False, "door/1-1/7")
    crop = httpx.get(f"{one.http}/api/v1/alerts/a1/evidence/1.jpg")
    assert crop.content == JPEG + b"2"
    assert httpx.get(f"{one.http}/api/v1/alerts/none").status_code == 404


def test_all_parts_are_told_and_served(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.all_evidence("a1", [JPEG, JPEG], MP4)
    one = dashboard().synced()
    shown = httpx.get(f"{one.http}/api/v1/alerts/a1").json()["evidence"]
    assert [crop["p_fake"] for crop in shown["crops"]] == [0.0, 0.5]
    assert [point[1:] for point in shown["trace"]] == [[0.5, "suspect"], [0.9, "fake"]]
    assert shown["peak"] == 1
    assert shown["grid"] == [[0.0, 0.5], [1.5, -0.25]]
    assert shown["camera"]["name"] == "door"
    assert shown["picture"]["frame_size"] == [1280, 720]
    assert shown["clip"]["bytes"] == len(MP4)
    assert shown["clip"]["as_received"]
    assert shown["heat"]
    assert shown["sheet"]
    for name, content, kind in (
        ("0.jpg", JPEG, "image/jpeg"),
        ("sheet.jpg", b"\xff\xd8 sheet", "image/jpeg"),
        ("heat.jpg", b"\xff\xd8 heat", "image/jpeg"),
        ("picture.jpg", b"\xff\xd8 whole", "image/jpeg"),
        ("clip.mp4", MP4, "video/mp4"),
    ):
        url = f"{one.http}/api/v1/alerts/a1/evidence/{name}"
        answer = httpx.get(url)
        assert answer.content == content, name
        assert answer.headers["content-type"] == kind
        assert answer.headers["cache-control"].startswith("private, max-age=")
        again = httpx.get(url, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
        assert httpx.head(url).headers["content-length"] == str(len(content))


def test_what_is_not_there_is_a_404_that_is_not_kept(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.evidence("a1", [JPEG])
    one = dashboard().synced()
    for name in ("1.jpg", "-1.jpg", "x.jpg", "9" * 3000 + ".jpg", "sheet.jpg", "heat.jpg", "picture.jpg", "clip.mp4"):
        answer = httpx.get(f"{one.http}/api/v1/alerts/a1/evidence/{name}")
        assert answer.status_code == 404, name
        assert list(answer.json()) == ["error"]
        assert answer.headers["cache-control"] == "no-store"


def test_what_is_no_evidence_is_none(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.alert("a2")
    feed.bus.set(feed.keys.evidence("a1"), b"garbage")
    feed.bus.hset(feed.keys.evidence("a2"), mapping={"window": b"garbage", "clip": b"\xc1", "spare": b""})
    one = dashboard().synced()
    for id in ("a1", "a2"):
        assert httpx.get(f"{one.http}/api/v1/alerts/{id}").json()["evidence"] is None
        assert httpx.get(f"{one.http}/api/v1/alerts/{id}/evidence/0.jpg").status_code == 404
        assert httpx.get(f"{one.http}/api/v1/alerts/{id}/evidence/clip.mp4").status_code == 404
        assert httpx.get(f"{one.http}/api/v1/alerts/{id}/export.zip").status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-0", 206, 0, 0),
        ("bytes=100-199", 206, 100, 199),
        ("bytes=2000-", 206, 2000, 2047),
        ("bytes=-10", 206, 2038, 2047),
        ("bytes=-9999", 206, 0, 2047),
        ("bytes=0-99999", 206, 0, 2047),
        ("bytes=2048-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=9-5", 200, 0, 2047),
        ("bytes=-", 200, 0, 2047),
        ("bytes=0-1,5-6", 200, 0, 2047),
        ("pages=1-2", 200, 0, 2047),
        ("bytes=" + "9" * 40 + "-", 200, 0, 2047),
    ],
)
def test_ranges_of_the_clip(dashboard: Start, feed: Feed, asked: str, status: int, first: int, last: int) -> None:
    feed.alert("a1")
    feed.all_evidence("a1", [JPEG], MP4)
    one = dashboard().synced()
    url = f"{one.http}/api/v1/alerts/a1/evidence/clip.mp4"
    answer = httpx.get(url, headers={"range": asked})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == "bytes */2048"
        return
    assert answer.content == MP4[first : last + 1]
    assert answer.headers["accept-ranges"] == "bytes"
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {first}-{last}/2048"
        same = {"range": asked, "if-range": answer.headers["etag"]}
        assert httpx.get(url, headers=same).status_code == 206
        assert httpx.get(url, headers={"range": asked, "if-range": '"other"'}).content == MP4


def test_scores_of_another_window_than_the_crops_break_nothing(feed: Feed) -> None:
    feed.evidence("a1", [JPEG, JPEG])
    for scores in ((), (0.1,), (0.1, 0.2, 0.3)):
        feed.keep(
            Explanation(alert="a1", frame_scores=scores, peak=2, grid=(), heat=b"", sheet=b"", camera=None)
        )  # fmt: skip
        kept = feed.bus.hgetall(feed.keys.evidence("a1"))
        shown = facts(kept)  # type: ignore[arg-type]
        assert shown is not None
        assert [crop.p_fake for crop in shown.crops] == [*scores, None, None][:2]
        assert not shown.heat
