"""Signing in and out over HTTP: the cookie, whom it serves, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dashboard import protocol
from dashboard.access import gate as gates
from dashboard.access.backoff import FREE
from dashboard.access.logins import digest
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start
from tests.dashboard.people import bearer, person, rest, secret, token
from tests.support.servers import wait_until
from wire.messages import Review, Snooze

USERS = (person("anna", "operator", "lobby-*"), person("otto", "viewer"))


@contextmanager
def signed_in(one: Running, name: str = "anna") -> Iterator[httpx.Client]:
    """A browser, as it were: its cookie, and the Origin of this page."""
    with httpx.Client(base_url=one.http, headers={"origin": one.http}) as client:
        answer = client.post("/api/v1/login", json={"name": name, "password": secret(name)})
        assert answer.status_code == 200, answer.text
        yield client


def stopped(one: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its gate's clock: the first wait after failures is a second, which some requests may take."""
    monkeypatch.setattr(one.gate, "_clock", lambda: 1000.0)


def cookie_of(client: httpx.Client) -> str:
    return next(iter(client.cookies.values()))


def test_a_cookie_no_script_reads_and_no_other_site_sends(dashboard: Start) -> None:
    one = dashboard(users=USERS, login_s=7200.0)
    answer = httpx.post(f"{one.http}/api/v1/login", json={"name": "anna", "password": secret("anna")})
    assert answer.json() == {"name": "anna", "role": "operator", "cameras": ["lobby-*"]}
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert morsel.key == "unmask"
    assert len(morsel.value) == 43
    assert morsel["httponly"]
    assert not morsel["secure"]
    assert (morsel["samesite"].lower(), morsel["path"], morsel["domain"], morsel["max-age"]) == (
        "strict", "/", "", "7200",
    )  # fmt: skip
    by_token = httpx.post(f"{one.http}/api/v1/login", json={"password": token("otto")})
    assert by_token.json()["name"] == "otto"


def test_under_tls_the_cookie_is_bound_to_it_and_only_a_trusted_proxy_says_so(
    dashboard: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
    body = {"name": "anna", "password": secret("anna")}
    trusting = dashboard(users=USERS, trusted_proxies=("127.0.0.0/8",))
    answer = httpx.post(f"{trusting.http}/api/v1/login", json=body, headers=forwarded)
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert morsel.key == "__Host-unmask"
    assert morsel["secure"]
    cookies = {"cookie": f"__Host-unmask={morsel.value}"}
    me = f"{trusting.http}/api/v1/me"
    assert httpx.get(me, headers={**cookies, **forwarded}).status_code == 200
    assert httpx.get(me, headers={"cookie": f"unmask={morsel.value}", **forwarded}).status_code == 401
    host = f"127.0.0.1:{trusting.port}"
    snooze = f"{trusting.http}/api/v1/cameras/lobby-1/snooze"
    for origin, status in ((f"https://{host}", 404), (f"http://{host}", 401)):
        asked = httpx.delete(snooze, headers={**cookies, **forwarded, "origin": origin})
        assert asked.status_code == status, origin
    stopped(trusting, monkeypatch)
    for _ in range(FREE):
        httpx.get(me, headers={**forwarded, "authorization": "Bearer wrong"})
    assert httpx.get(me, headers={**forwarded, **bearer("otto")}).status_code == 429
    assert httpx.get(me, headers={**forwarded, "x-forwarded-for": "192.0.2.8", **bearer("otto")}).status_code == 200
    plain = dashboard(users=USERS)
    answer = httpx.post(f"{plain.http}/api/v1/login", json=body, headers=forwarded)
    assert "__Host-" not in answer.headers["set-cookie"]


def test_it_serves_reads_and_changes_that_its_own_page_asks_for(dashboard: Start, feed: Feed, bus: redis.Redis) -> None:
    feed.camera("lobby-1")
    feed.alert("a1", camera="lobby-1")
    one = dashboard(users=USERS).synced()
    wait_until(lambda: one.hub.alerts.get("a1"), 15, "it is read")
    with signed_in(one) as client:
        assert client.get("/api/v1/me").json()["name"] == "anna"
        assert [view["name"] for view in client.get("/api/v1/cameras").json()["cameras"]] == ["lobby-1"]
        for origin in (
            "http://evil.example",
            "null",
            f"http://127.0.0.1:{one.port + 1}",
            f"http://localhost:{one.port}",
        ):
            answer = client.post("/api/v1/cameras/lobby-1/snooze", json={"minutes": 5}, headers={"origin": origin})
            assert answer.status_code in (401, 403), origin
        del client.headers["origin"]
        assert client.post("/api/v1/cameras/lobby-1/snooze", json={"minutes": 5}).status_code == 401
        assert not bus.exists(feed.keys.snooze("lobby-1"))
        client.headers["origin"] = one.http
        assert client.post("/api/v1/cameras/lobby-1/snooze", json={"minutes": 5}).status_code == 200
        said = client.post("/api/v1/alerts/a1/verdict", json={"verdict": "confirmed"})
        assert said.json()["review"]["by"] == "anna"
    kept: Any = bus.mget([feed.keys.snooze("lobby-1"), feed.keys.review("a1")])
    assert Snooze.decode(kept[0]).by == "anna"
    assert Review.decode(kept[1]).by == "anna"


def test_it_holds_at_all_dashboards_over_a_restart_and_ends_everywhere(dashboard: Start) -> None:
    here, there = dashboard(users=USERS).synced(), dashboard(users=USERS).synced()
    with signed_in(here) as client:
        cookie = {"cookie": f"unmask={cookie_of(client)}"}
        here.stop()
        here.start()
        for one in (here, there):
            assert httpx.get(f"{one.http}/api/v1/me", headers=cookie).json()["name"] == "anna"
        out = client.delete("/api/v1/login")
        assert out.json() == {"was": True}
        assert "unmask=" in out.headers["set-cookie"]
        assert not client.cookies
        for one in (here, there):
            assert httpx.get(f"{one.http}/api/v1/me", headers=cookie).status_code == 401
        assert client.delete("/api/v1/login").json() == {"was": False}


def test_signing_in_anew_ends_the_login_before(dashboard: Start) -> None:
    one = dashboard(users=USERS)
    with signed_in(one) as client:
        before = cookie_of(client)
        assert client.post("/api/v1/login", json={"name": "otto", "password": secret("otto")}).status_code == 200
        assert cookie_of(client) != before
        assert httpx.get(f"{one.http}/api/v1/me", headers={"cookie": f"unmask={before}"}).status_code == 401


def greet(one: Running, cookie: str, origin: str | None, **hello: Any) -> Any:
    return connect(one.ws, origin=origin, additional_headers={"cookie": f"unmask={cookie}"}, close_timeout=1)  # type: ignore[arg-type]


def test_a_socket_by_cookie_from_its_own_page_only_and_no_longer_than_the_login(
    dashboard: Start, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "PATROL_S", 0.2)
    feed.camera("lobby-1")
    feed.camera("vault")
    site = "http://portal.example"
    here, there = (dashboard(users=USERS, allowed_origins=(site,)).synced() for _ in range(2))
    with signed_in(here) as client:
        cookie = cookie_of(client)
        for origin in (None, site):  # a program, and another site's page: a token is for them
            with greet(here, cookie, origin) as socket:
                socket.send('{"type":"hello","version":1}')
                assert json.loads(socket.recv(timeout=15))["code"] == "unauthorised"
        with greet(here, cookie, here.http) as near, greet(there, cookie, there.http) as far:
            for socket in (near, far):
                socket.send('{"type":"hello","version":1}')
                welcome = json.loads(socket.recv(timeout=15))
                while welcome["type"] != "welcome":
                    welcome = json.loads(socket.recv(timeout=15))
                assert welcome["you"] == {"name": "anna", "role": "operator", "cameras": ["lobby-*"]}
                assert [view["name"] for view in welcome["snapshot"]["cameras"]] == ["lobby-1"]
            client.delete("/api/v1/login")
            for socket in (near, far):
                rest(socket)
                assert socket.close_code == 4401
        wait_until(lambda: not here.gate._pages and not there.gate._pages, 15, "nothing is left of it")


def test_an_open_page_keeps_its_login_from_going_idle(
    dashboard: Start, bus: redis.Redis, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "PATROL_S", 0.1)
    one = dashboard(users=USERS, login_idle_s=60.0).synced()
    with signed_in(one) as client:
        key = feed.keys.login(digest(cookie_of(client)))
        with greet(one, cookie_of(client), one.http) as socket:
            socket.send('{"type":"hello","version":1}')
            socket.recv(timeout=15)
            bus.pexpire(key, 20_000)
            wait_until(lambda: bus.pttl(key) > 50_000, 15, "it counts as used")  # type: ignore[operator]


def test_too_many_failures_have_to_wait_wherever_they_knock(dashboard: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    one = dashboard(users=USERS)
    stopped(one, monkeypatch)
    with signed_in(one, "otto") as client:
        statuses = [
            httpx.post(f"{one.http}/api/v1/login", json={"name": "anna", "password": f"guess {number}"}).status_code
            for number in range(FREE + 1)
        ]
        assert statuses == [401] * FREE + [429]
        refused = httpx.post(f"{one.http}/api/v1/login", json={"name": "anna", "password": secret("anna")})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "try again in" in refused.json()["error"]
        assert httpx.get(f"{one.http}/api/v1/me", headers=bearer("anna")).status_code == 429
        with connect(one.ws, close_timeout=1) as socket:
            socket.send(json.dumps({"type": "hello", "version": 1, "token": token("anna")}))
            assert json.loads(socket.recv(timeout=15))["code"] == "too-many-attempts"
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=15)
            assert caught.value.rcvd
            assert caught.value.rcvd.code == protocol.CLOSE_TOO_MANY_ATTEMPTS
        assert client.get("/api/v1/me").status_code == 200  # who is in stays in


def test_where_nobody_has_to_sign_in_everybody_is_an_admin(dashboard: Start) -> None:
    one = dashboard()
    assert httpx.get(f"{one.http}/api/v1/me").json() == {"name": "", "role": "admin", "cameras": []}
    answer = httpx.post(f"{one.http}/api/v1/login", json={"password": "anything"})
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers


def test_one_users_pictures_are_not_kept_for_the_next_one_of_a_browser(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1", camera="lobby-1")
    feed.all_evidence("a1", [b"\xff\xd8"], b"0123456789")
    one = dashboard(users=USERS).synced()
    wait_until(lambda: one.hub.alerts.get("a1"), 15, "it is read")
    for path, headers in (("evidence/0.jpg", {}), ("evidence/clip.mp4", {"range": "bytes=0-3"}), ("export.zip", {})):
        answer = httpx.get(f"{one.http}/api/v1/alerts/a1/{path}", headers={**bearer("anna"), **headers})
        assert answer.headers["vary"] == "authorization, cookie"
        assert "public" not in answer.headers["cache-control"]
