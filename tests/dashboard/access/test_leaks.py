"""Two cameras, a user who may see one: whatever is asked, in whatever way, nothing of the other comes out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from msgspec.structs import replace
from websockets.sync.client import ClientConnection, connect

from dashboard.access.principal import Principal
from dashboard.api.operation import Operation
from dashboard.api.routes import OPERATIONS
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start
from tests.dashboard.people import bearer, person, rest, token
from tests.support.servers import end, valkey, wait_until
from wire.evidence import EvidenceStore
from wire.keys import Keys
from wire.messages import Evidence
from wire.settings import AlertSettings

MINE, OTHER = "lobby-1", "vault-9"
USERS = (person("anna", "admin", "lobby-*"), person("otto", "admin"))
SECRETS = ("vault", "hidden", "v4ult-crop", "v4ult-trace", "v4ult-sheet", "v4ult-heat", "v4ult-whole", "v4ult-clip",
           "v4ult-preview", "v4ult-track", "v4ult-model", "v4ult-error", "v4ult-note")  # fmt: skip
BODIES = {"verdict": {"verdict": "confirmed", "note": "seen"}, "snooze": {"minutes": 5}}


def json_of(operation: Operation) -> dict[str, Any]:
    """A body that the operation follows."""
    if operation.body is None:
        return {}
    return {"json": next(body for word, body in BODIES.items() if operation.path.endswith(word))}


class Told:
    """All bytes a user was sent."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def take(self, data: bytes | str) -> None:
        self.texts.append(data if isinstance(data, str) else data.decode("latin-1"))

    def answer(self, answer: httpx.Response) -> httpx.Response:
        self.take(answer.content)
        self.take(repr(sorted(answer.headers.items())))
        return answer

    def found(self, words: list[str]) -> set[str]:
        everything = "\n".join(self.texts)
        return {word for word in words if word in everything}


def publish(feed: Feed, cursors: list[str]) -> None:
    """One round of everything, for both cameras; the hidden one's cursors are kept."""
    feed.camera(MINE, owner="host-1")
    feed.camera(OTHER, error="v4ult-error", owner="v4ult-track")
    feed.score(MINE, 0.9)
    feed.score(OTHER, 0.9, track="v4ult-track", model="v4ult-model")
    for event in ("new", "update", "end"):
        feed.alert(f"seen-{len(cursors)}", event, MINE)
        cursors.append(feed.alert(f"hidden-{len(cursors)}", event, OTHER, model="v4ult-model", track="v4ult-track"))


@pytest.fixture
def world(dashboard: Start, feed: Feed) -> tuple[Running, list[str]]:
    """A dashboard of both cameras, and the cursors of the hidden one's events."""
    cursors: list[str] = []
    feed.alert("seen", camera=MINE)
    feed.all_evidence("seen", [b"\xff\xd8 my crop"])
    cursors.append(feed.alert("hidden", camera=OTHER, model="v4ult-model", detail="v4ult-error"))
    feed.all_evidence("hidden", [b"\xff\xd8 v4ult-crop"], b"v4ult-clip")
    publish(feed, cursors)
    feed.bus.set(feed.keys.preview(MINE), b"\xff\xd8 mine")
    feed.bus.set(feed.keys.preview(OTHER), b"\xff\xd8 v4ult-preview")
    one = dashboard(users=USERS, heartbeat_s=0.2).synced()
    wait_until(lambda: one.hub.alerts.get("hidden") and one.hub.system.load, 15, "all is read")
    return one, cursors


def crawl(one: Running, name: str) -> tuple[Told, dict[str, int]]:
    """Every operation, with the names and ids of both cameras, of none, and of all; and every way to ask for alerts."""
    told, statuses = Told(), {}
    with httpx.Client(base_url=one.http, headers=bearer(name), timeout=20) as client:
        for operation in OPERATIONS:
            if operation.path.endswith("/login"):
                continue
            for id, camera in (("seen", MINE), ("hidden", OTHER), ("none", "none"), ("*", "*")):
                url = operation.path.format(id=id, name=camera, n="0")
                answer = told.answer(client.request(operation.method, url, **json_of(operation)))
                statuses[f"{operation.method} {url}"] = answer.status_code
                if etag := answer.headers.get("etag"):
                    told.answer(client.request("GET", url, headers={"if-none-match": etag}))
                if operation.method == "GET":
                    told.answer(client.head(url))
        for query in ("camera=*", f"camera={OTHER}", "limit=1", "before=hidden", "before=seen", "review=confirmed",
                      "state=open", "kind=sustained&severity=critical"):  # fmt: skip
            told.answer(client.get(f"/api/v1/alerts?{query}"))
    return told, statuses


def test_no_operation_tells_of_another_camera(world: tuple[Running, list[str]]) -> None:
    one, cursors = world
    told, statuses = crawl(one, "anna")
    assert told.found([*SECRETS, *cursors]) == set()
    assert {status for asked, status in statuses.items() if OTHER in asked or "hidden" in asked} == {404}
    assert {status for asked, status in statuses.items() if "/seen" in asked or MINE in asked} == {200}
    for asked in ("GET /api/v1/system", "GET /metrics", "POST /api/v1/snooze", "DELETE /api/v1/snooze",
                  "POST /api/v1/cameras/*/snooze", "DELETE /api/v1/cameras/*/snooze"):  # fmt: skip
        assert statuses[asked] == 403, asked


def test_the_same_crawl_finds_it_all_for_whoever_may_see_it(world: tuple[Running, list[str]]) -> None:
    one, _ = world
    told, statuses = crawl(one, "otto")
    assert told.found(list(SECRETS)) >= {"vault", "hidden", "v4ult-crop", "v4ult-clip", "v4ult-preview", "v4ult-track",
                                         "v4ult-model", "v4ult-error"}  # fmt: skip
    assert 403 not in statuses.values()


def test_what_is_hidden_is_answered_as_what_never_was(world: tuple[Running, list[str]]) -> None:
    one, _ = world
    with httpx.Client(base_url=one.http, headers=bearer("anna")) as client:
        for operation in OPERATIONS:
            if "{" not in operation.path:
                continue
            asked = json_of(operation)
            hidden, unknown = (
                client.request(operation.method, operation.path.format(id=id, name=name, n="0"), **asked)
                for id, name in (("hidden", OTHER), ("none", "none"))
            )
            assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content), operation.path
        hidden, unknown = (client.get(f"/api/v1/alerts?before={id}") for id in ("hidden", "none"))
        assert (hidden.status_code, hidden.content) == (unknown.status_code, unknown.content)
        assert hidden.status_code == 400


def test_what_is_hidden_is_asked_for_in_redis_like_what_never_was(dashboard: Start, tmp_path: Path, keys: Keys) -> None:
    with valkey(tmp_path) as (url, process), redis.Redis.from_url(url) as bus:
        Feed(bus, keys).alert("hidden", camera=OTHER)
        one = dashboard(redis_url=url, users=USERS).synced()
        wait_until(lambda: one.hub.alerts.get("hidden"), 15, "it is read")
        end(process)
        with httpx.Client(headers=bearer("anna"), timeout=20) as client:
            statuses = {client.get(f"{one.http}/api/v1/alerts/{id}").status_code for id in ("hidden", "none")}
        one.stop()
    assert statuses == {503}


def test_evidence_whose_alert_is_gone_is_nobodys_with_some_cameras_only(
    world: tuple[Running, list[str]], feed: Feed
) -> None:
    one, _ = world
    window = Evidence.decode(feed.bus.hget(feed.keys.evidence("hidden"), "window"))  # type: ignore[arg-type]
    assert EvidenceStore(feed.keys, AlertSettings()).put(feed.bus, replace(window, alert="orphan"), time.time())
    for name, status in (("anna", 404), ("otto", 200)):
        answer = httpx.get(f"{one.http}/api/v1/alerts/orphan/evidence/0.jpg", headers=bearer(name))
        assert answer.status_code == status


@contextmanager
def listening(one: Running, name: str, told: Told) -> Iterator[ClientConnection]:
    with connect(one.ws, compression=None, close_timeout=1) as socket:
        socket.send(json.dumps({"type": "hello", "version": 1, "token": token(name)}))
        yield socket


def hear(socket: ClientConnection, told: Told, kind: str, timeout_s: float = 15.0) -> dict[str, Any]:
    """The next message of a kind; all that comes before it is kept."""
    while True:
        text = socket.recv(timeout=timeout_s)
        told.take(text)
        message: dict[str, Any] = json.loads(text)
        if message["type"] == kind:
            return message


def listen(one: Running, name: str, feed: Feed, cursors: list[str], since: str | None, memory: bool) -> Told:
    """Every subscription there is, over a replay and what happens live, with everything told back."""
    told = Told()
    if not memory:
        one.hub.recent.base = one.hub.recent.newest  # so that the past is read from Redis
    with listening(one, name, told) as socket:
        welcome = hear(socket, told, "welcome")
        asks: list[dict[str, Any]] = [
            {"topics": [topic], "cameras": cameras, "since": since or welcome["cursor"]}
            for topic in ("alerts", "scores", "cameras")
            for cameras in ([], ["*"], [OTHER], [MINE])
        ]
        asks += [{"topics": ["alerts", "scores", "cameras"]}, {"topics": ["alerts"], "since": cursors[0]}]
        for number, ask in enumerate(asks):
            socket.send(json.dumps({"type": "subscribe", "id": str(number), **ask}))
            hear(socket, told, "subscribed")
        publish(feed, cursors)
        httpx.post(f"{one.http}/api/v1/alerts/hidden/verdict", json={"verdict": "confirmed", "note": "v4ult-note"},
                   headers=bearer("otto")).raise_for_status()  # fmt: skip
        feed.bus.srem(feed.keys.camera_names, OTHER)  # and it is removed
        feed.alert("last", camera=MINE)
        while hear(socket, told, "alert")["alert"]["id"] != "last":
            pass
        for _ in range(3):
            hear(socket, told, "heartbeat")
        socket.send(json.dumps({"type": "subscribe", "id": OTHER[:0] + "x", "since": "yesterday"}))
        hear(socket, told, "error")
    return told


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("since", [None, "0", "99999999999999-0"])
def test_no_subscription_tells_of_another_camera(
    world: tuple[Running, list[str]], feed: Feed, since: str | None, memory: bool
) -> None:
    one, cursors = world
    told = listen(one, "anna", feed, cursors, since, memory)
    given = cursors[0]  # which the client itself named, and which is said back to it
    assert told.found([*SECRETS, *cursors]) <= {given}
    assert told.found([MINE, "seen"]) == {MINE, "seen"}


def test_the_same_subscriptions_tell_it_all_to_whoever_may_see_it(world: tuple[Running, list[str]], feed: Feed) -> None:
    one, cursors = world
    told = listen(one, "otto", feed, cursors, "0", True)
    assert told.found([*SECRETS, *cursors]) >= {"vault", "hidden", "v4ult-model", "v4ult-note", *cursors}


def test_coming_back_with_the_told_cursor_misses_nothing_and_doubles_nothing(
    world: tuple[Running, list[str]], feed: Feed
) -> None:
    one, cursors = world
    got: list[str] = []
    written: list[str] = []
    cursor = None
    for _ in range(4):
        told = Told()
        with listening(one, "anna", told) as socket:
            cursor = cursor or hear(socket, told, "welcome")["cursor"]
            socket.send(json.dumps({"type": "subscribe", "id": "s", "since": cursor}))
            hear(socket, told, "subscribed")
            written.append(feed.alert("a", camera=MINE))
            cursors.append(feed.alert("hidden", camera=OTHER))
            while not got or got[-1] != written[-1]:
                got.append(hear(socket, told, "alert")["cursor"])
            cursor = hear(socket, told, "heartbeat")["cursor"]
            assert cursor == got[-1]
        written += [feed.alert("b", "update", camera=MINE) for _ in range(3)]
        cursors += [feed.alert("hidden", "update", camera=OTHER) for _ in range(3)]
    told = Told()
    with listening(one, "anna", told) as socket:
        socket.send(json.dumps({"type": "subscribe", "id": "s", "since": cursor}))
        while len(got) < len(written):
            got.append(hear(socket, told, "alert")["cursor"])
    assert got == written


def test_a_reset_tells_no_cursor_of_another_camera(world: tuple[Running, list[str]], feed: Feed) -> None:
    one, cursors = world
    told = Told()
    with listening(one, "anna", told) as socket:
        hear(socket, told, "welcome")
        socket.send(json.dumps({"type": "subscribe", "id": "s"}))
        hear(socket, told, "subscribed")
        cursors.append(feed.alert("hidden", "update", camera=OTHER))
        wait_until(lambda: one.hub.recent.newest == tuple(map(int, cursors[-1].split("-"))), 15, "it is read")

        def forget() -> None:
            one.hub.generation += 1
            one.hub.subscribers.wake()

        one.loop.call_soon_threadsafe(forget)
        hear(socket, told, "gap")
        feed.alert("last", camera=MINE)
        while hear(socket, told, "alert")["alert"]["id"] != "last":
            pass
    assert told.found([*SECRETS, *cursors]) == set()


def test_no_cursor_that_a_client_makes_up_tells_when_something_happened_elsewhere(
    world: tuple[Running, list[str]], feed: Feed
) -> None:
    one, _ = world
    at = int(feed.alert("hidden", "update", camera=OTHER).partition("-")[0])
    wait_until(lambda: one.hub.recent.newest[0] == at, 15, "it is read")
    wait_until(lambda: time.time() * 1000 > at + 50, 15, "the time of all of these cursors has come")
    with ExitStack() as stack:
        talks: list[tuple[ClientConnection, Told]] = []
        for since in (f"{at - 1}-9", f"{at}-0", f"{at}-1", f"{at + 50}-0"):
            told = Told()
            socket = stack.enter_context(listening(one, "anna", told))
            socket.send(json.dumps({"type": "subscribe", "id": "s", "since": since}))
            hear(socket, told, "subscribed")
            talks.append((socket, told))
        for socket, told in talks:
            hear(socket, told, "heartbeat")
            hear(socket, told, "heartbeat")
        last = feed.alert("seen", "update", camera=MINE)
        for socket, told in talks:
            assert hear(socket, told, "alert")["cursor"] == last  # and nothing that comes after is missed
            kinds = [json.loads(text)["type"] for text in told.texts]
            assert [kind for kind in kinds if kind != "heartbeat"] == ["welcome", "subscribed", "alert"]


def test_a_cursor_of_a_time_to_come_is_of_another_redis_for_everybody(world: tuple[Running, list[str]]) -> None:
    one, _ = world
    for name in ("anna", "otto"):
        with listening(one, name, told := Told()) as socket:
            socket.send(json.dumps({"type": "subscribe", "id": "s", "since": "99999999999999-0"}))
            assert hear(socket, told, "gap")["reason"] == "reset"


def test_every_operation_names_its_role_and_keeps_to_it(dashboard: Start, feed: Feed, bus: redis.Redis) -> None:
    feed.camera(MINE)
    feed.alert("seen", camera=MINE)
    people = (person("v"), person("o", "operator"), person("a", "admin"))
    one = dashboard(users=people).synced()
    wait_until(lambda: one.hub.alerts.get("seen"), 15, "all is read")
    for operation in OPERATIONS:
        if operation.path.endswith("/login"):
            continue
        url = one.http + operation.path.format(id="seen", name=MINE, n="0")
        asked = json_of(operation)
        nobody = httpx.request(operation.method, url, **asked)
        assert (nobody.status_code == 401) == (operation.role is not None), operation
        for someone in people:
            answer = httpx.request(operation.method, url, headers=bearer(someone.principal.name), **asked)
            allowed = operation.role is None or someone.principal.may(operation.role)
            assert (answer.status_code == 403) == (not allowed), (operation, someone.principal)
    changing = [one for one in OPERATIONS if one.method != "GET" and not one.path.endswith("/login")]
    assert changing
    assert all(one.role not in (None, "viewer") for one in changing)
    assert not any(Principal("", "admin", admitted=False).may(role) for role in ("viewer", "operator", "admin"))


def test_nobody_hears_anything_before_it_has_said_who_it_is(world: tuple[Running, list[str]], feed: Feed) -> None:
    one, cursors = world
    told = Told()
    with connect(one.ws, compression=None, close_timeout=1) as socket:
        publish(feed, cursors)
        socket.send(json.dumps({"type": "hello", "version": 1, "token": "anna~wrong"}))
        for text in rest(socket):
            told.take(text)
    assert told.found([*SECRETS, *cursors, MINE, "seen"]) == set()
