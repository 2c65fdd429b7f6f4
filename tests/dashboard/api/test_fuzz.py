"""No input makes a 500: arbitrary targets, queries, headers and bodies against a dashboard that runs."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dashboard.api.routes import OPERATIONS
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed

Start = Callable[..., Running]
QUICK = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
NAMES = st.sampled_from(["a1", "door", "*", "0", "-1", "9" * 5000, "..", "%00", "%", "%ff", "%2f", "a%0d%0ab", "é"])
WORDS = NAMES | st.text(max_size=30) | st.binary(max_size=20).map(lambda raw: quote(raw))
FIELDS = st.sampled_from(
    ["camera", "kind", "severity", "review", "state", "from", "to", "limit", "before", "x", "v", ""]
) | st.text(max_size=5)  # fmt: skip
VALUES = WORDS | st.sampled_from(
    ["nan", "inf", "-1e999", "1e3", "null", "true", "[", "[]a]*", "*?" * 60, "a1", "100", "sustained", "open"]
) | st.integers().map(str) | st.floats().map(str)  # fmt: skip
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSONS.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"verdict": st.sampled_from(["confirmed", "none", "x", 5, None]), "note": st.text(max_size=50) | JSONS}
    ).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({"minutes": JSONS | st.floats() | st.integers()}).map(
        lambda value: json.dumps(value).encode()
    ),
    st.just(b'{"verdict": "confirmed", "note": "\\ud800"}'),
    st.just(b'{"minutes": 1e400}'),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["range", "if-none-match", "if-range", "origin", "authorization", "content-type", "accept", "host"]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
    | st.sampled_from(["bytes=0-1", "bytes=-", "*", "http://[", "[", "application/json", "Bearer \xff", "a:b:c"]),
    max_size=3,
)


def ask(port: int, method: str, target: str, headers: dict[str, str], body: bytes | None) -> tuple[int, bytes]:
    """One request, its target as it is: no client's own ideas of what a url is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection._validate_path = lambda _url: None  # type: ignore[attr-defined]
    try:
        connection.putrequest(method, target, skip_host="host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value.strip().encode("latin-1"))
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def served(status: int, body: bytes, target: str) -> None:
    assert status < 500, (status, target, body)
    if status in (400, 403, 404, 405, 413, 415, 421) and not body.startswith(b"Invalid HTTP"):
        told = json.loads(body)
        assert list(told) == ["error"]
        assert "\n" not in told["error"]
        assert len(told["error"]) < 500


def prepared(dashboard: Start, feed: Feed) -> Running:
    feed.camera("door")
    feed.alert("a1")
    feed.all_evidence("a1", [b"\xff\xd8"])
    return dashboard(allow_anonymous=True).synced()


def test_no_target_makes_a_500(dashboard: Start, feed: Feed) -> None:
    one = prepared(dashboard, feed)
    paths = [operation.path for operation in OPERATIONS if operation.path != "/readyz"]

    @QUICK
    @given(st.sampled_from([*paths, "/static/{name}", "/{name}"]), NAMES | WORDS.map(quote), HEADERS)
    @example("/api/v1/alerts/{id}/evidence/{n}.jpg", "9" * 5000, {})
    @example("/api/v1/cameras/", "x", {"host": "["})
    @example("/static/{name}", "%00", {})
    def anything(path: str, name: str, headers: dict[str, str]) -> None:
        target = quote(path.format(name=name, id=name, n=name), safe="/%*?=&:{}")
        for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
            status, body = ask(one.port, method, target, headers, None)
            served(status, body or b'{"error": ""}', target)

    anything()


def test_no_query_makes_a_500(dashboard: Start, feed: Feed) -> None:
    one = prepared(dashboard, feed)

    @QUICK
    @given(st.lists(st.tuples(FIELDS, VALUES), max_size=6))
    @example([("camera", "[" + "a*" * 60)])
    @example([("from", "nan"), ("to", "nan"), ("limit", "1")])
    @example([("limit", "9" * 5000)])
    def anything(fields: list[tuple[str, str]]) -> None:
        target = "/api/v1/alerts?" + "&".join(
            f"{quote(name, errors='replace')}={quote(value, safe='%', errors='replace')}" for name, value in fields
        )
        served(*ask(one.port, "GET", target, {}, None), target)

    anything()


def test_no_body_makes_a_500(dashboard: Start, feed: Feed) -> None:
    one = prepared(dashboard, feed)
    paths = [operation.path for operation in OPERATIONS if operation.body]

    @QUICK
    @given(st.sampled_from(paths), st.sampled_from(["a1", "door", "none"]), BODIES, HEADERS)
    @example("/api/v1/alerts/{id}/verdict", "a1", b'{"verdict": "confirmed", "note": "\\u0000"}', {})
    @example("/api/v1/cameras/{name}/snooze", "door", b'{"minutes": 5}', {"origin": "http://["})
    def anything(path: str, name: str, body: bytes, headers: dict[str, str]) -> None:
        target = path.format(name=name, id=name)
        status, answer = ask(one.port, "POST", target, {"content-type": "application/json", **headers}, body)
        served(status, answer, target)

    anything()
    rows: Any = feed.bus.xrange(feed.keys.alerts)
    assert len(rows) > 1, "not one body was followed"
