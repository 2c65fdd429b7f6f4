"""Paths that would lead out of the folder that is served, in every way of writing them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import quote

import httpx

from dashboard.headers import SECURITY_HEADERS
from dashboard.http import STATIC
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.wire_talk import head, say, status

Start = Callable[..., Running]
UP = (
    "..", "%2e%2e", "%2E.", "..%00", "%00", "..%5c..", "..\\..", "....", "..;", "%252e%252e", "%c0%ae%c0%ae",
    "%ff", "%u002e", ".%0d", "%0a..", "~root", "", ".", "%2f", "%2f%2fevil.example", "*", "nul", "a" * 300,
    "%F0%9F%98%80" * 40, "\xe9",
)  # fmt: skip
TAILS = ("http.py", "auth.py", "etc/passwd", "..%2fhttp.py", "%2fetc%2fpasswd", "..%5chttp.py", "http.py%00.js")
STARTS = (
    "/static/", "/", "//", "/static", "/api/v1/alerts/", "/api/v1/alerts/a1/evidence/", "/api/v1/cameras/",
    "/api/v1/cameras/door/", "/docs/examples/",
)  # fmt: skip


def places() -> list[str]:
    single = [f"{start}{up}/{tail}" for start in STARTS for up in UP for tail in TAILS]
    deep = [f"/static/{'/'.join([up] * 12)}/{tail}" for up in UP[:13] for tail in TAILS]
    whole = [f"/static/{up}" for up in UP] + ["/static/" + "/".join(["a"] * 1500), "/static/" + "a" * 3900]
    return single + deep + whole


def test_no_path_leads_out_and_none_is_an_error_of_ours(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.all_evidence("a1", [b"\xff\xd8"])
    one = dashboard().synced()
    served = {hashlib.sha256(path.read_bytes()).digest() for path in STATIC.iterdir()}
    tried = places()
    for path in tried:
        answer = say(one.port, head(path))
        assert status(answer) in (200, 400, 404, 405, 414), (path, answer[:300])
        _, _, body = answer.partition(b"\r\n\r\n")
        if status(answer) == 200:  # "/static/./style.css" is such a file, and "//" is not
            assert hashlib.sha256(body).digest() in served, path
        assert b"root:" not in body, path
        assert b"from __future__" not in body, path
    assert len(tried) > 1500


def test_a_link_in_the_folder_is_not_followed_out_of_it() -> None:
    assert not [path for path in STATIC.rglob("*") if path.is_symlink() or path.suffix == ".py"]


def test_evidence_is_saved_and_never_shown_as_a_page(dashboard: Start, feed: Feed) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    one = dashboard().synced()
    names = {"export.zip": ".zip", "evidence/0.jpg": "-0.jpg", "evidence/clip.mp4": ".mp4"}
    names |= {f"evidence/{what}.jpg": f"-{what}.jpg" for what in ("sheet", "heat", "picture")}
    plain = "door-1'2<x>\r\nset-cookie: ü"
    feed.alert(plain)
    feed.all_evidence(plain, [page] * 2, mp4=page)
    for what, end in names.items():
        answer = httpx.get(f"{one.http}/api/v1/alerts/{quote(plain)}/{what}", headers={"range": "bytes=0-"})
        assert answer.status_code in (200, 206), what
        assert answer.headers["content-disposition"] == f'attachment; filename="unmask-door-1_2_x___set-cookie___{end}"'
        assert answer.headers["content-type"] in ("application/zip", "image/jpeg", "video/mp4")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_kind_of_answer_carries_the_headers(dashboard: Start, feed: Feed, redis_url: str) -> None:
    feed.alert("a1")
    one = dashboard(token="s3cret").synced()
    door = {"authorization": "Bearer s3cret"}
    asked = [
        ("GET", "/", {}, 200), ("GET", "/static/app.js", {}, 200), ("GET", "/static/none.js", {}, 404),
        ("GET", "/api/v1/alerts", {}, 401), ("GET", "/api/v1/alerts", door, 200),
        ("GET", "/api/v1/alerts?x=1", door, 400),
        ("PUT", "/api/v1/alerts", door, 405), ("POST", "/api/v1/snooze", door, 415), ("GET", "/metrics", {}, 401),
        ("POST", "/api/v1/snooze", {**door, "origin": "https://evil.example"}, 403), ("HEAD", "/", {}, 200),
        ("GET", "/api/v1/alerts/a1/export.zip", door, 200), ("GET", "/api/v1/cameras/x/preview.jpg", door, 404),
        ("OPTIONS", "/", {}, 405), ("GET", "/ws/v1", {}, 404), ("TRACE", "/", {}, 405), ("GET", "/metrics", door, 200),
    ]  # fmt: skip
    for method, path, headers, expected in asked:
        answer = httpx.request(method, f"{one.http}{path}", headers=headers)
        assert answer.status_code == expected, (method, path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers.get(name) == value, (method, path, name)
        assert "server" not in answer.headers


def test_a_defect_is_an_answer_without_its_inside(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()

    def broken() -> None:
        raise RuntimeError("s3cret inside")

    one.hub.snapshot = broken  # type: ignore[assignment]
    answer = httpx.get(f"{one.http}/api/v1/cameras")
    assert answer.status_code == 500
    assert "s3cret" not in answer.text
    for name, value in SECURITY_HEADERS.items():
        assert answer.headers.get(name) == value
