"""/ws/v1 as a program sees it: real server, real Valkey, real sockets."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dashboard import transport
from dashboard.config import DashboardConfig
from dashboard.history import Entry
from dashboard.sender import MAX_TRACKS
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed, alert_event
from tests.support.servers import end, free_port, valkey, wait_until
from wire.keys import FIELD
from wire.messages import Review

Start = Callable[..., Running]
WAIT_S = 15.0


class Talk:
    """A subscriber that speaks the protocol by hand."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def hear(self, *types: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """The next message of these types; heartbeats are passed over unless asked for."""
        until = time.monotonic() + timeout_s
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=max(0.01, until - time.monotonic())))
            if message["type"] in types:
                return message
            assert message["type"] == "heartbeat", message

    def closed(self) -> int:
        """The code the server closes with."""
        return self.rest()[1]

    def rest(self) -> tuple[list[dict[str, Any]], int]:
        """All messages up to the close, and its code."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                messages.append(json.loads(self.socket.recv(timeout=WAIT_S)))
            except ConnectionClosed as closed:
                return messages, closed.rcvd.code if closed.rcvd else 1006


@contextmanager
def talking(one: Running, hello: bool = True, **options: Any) -> Iterator[Talk]:
    """A connection, greeted."""
    with connect(one.ws, **{"compression": None, "close_timeout": 1, **options}) as socket:
        talk = Talk(socket)
        if hello:
            talk.say(type="hello", version=1, token=one.config.access.token)
            talk.welcome = talk.hear("welcome")
        yield talk


def subscribe(talk: Talk, **filters: Any) -> dict[str, Any]:
    talk.say(type="subscribe", id="s", **filters)
    return talk.hear("subscribed")


def test_welcome_carries_the_picture_and_its_cursor(dashboard: Start, feed: Feed) -> None:
    feed.camera("door", "unauthorised")
    feed.alert("ended", "new")
    feed.alert("ended", "end")
    cursor = feed.alert("open")
    one = dashboard(stale_after_s=60).synced()
    with talking(one) as talk:
        assert talk.welcome["cursor"] == cursor
        assert [alert["id"] for alert in talk.welcome["snapshot"]["alerts"]] == ["open"]
        assert talk.welcome["snapshot"]["cameras"][0]["verdict"] == "offline"


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


def test_silence_makes_a_camera_stale_without_any_message_from_it(
    dashboard: Start, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dashboard(stale_after_s=60).synced()
    with talking(one) as talk:
        subscribe(talk, topics=["cameras"])
        feed.camera("door", faces=0)
        assert talk.hear("camera")["camera"]["verdict"] == "no-face"
        monkeypatch.setattr(one.hub, "_clock", lambda: time.time() + 61)
        view = talk.hear("camera")["camera"]
        assert (view["verdict"], view["why"]) == ("stale", "streamer-silent")


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


def test_heartbeats_come_by_themselves_and_at_once_when_services_change(dashboard: Start, feed: Feed) -> None:
    one = dashboard(heartbeat_s=0.5).synced()
    with talking(one) as talk:
        first = talk.hear("heartbeat")
        assert first["bus"] == "ok"
        feed.service("worker")
        wait_until(lambda: talk.hear("heartbeat")["services"]["worker"] == 1, 15, "the worker is counted")


def test_a_heartbeat_moves_the_cursor_over_what_was_filtered(dashboard: Start, feed: Feed) -> None:
    one = dashboard(heartbeat_s=0.3).synced()
    with talking(one) as talk:
        subscribe(talk, cameras=["nobody"])
        cursor = feed.alert("x")
        wait_until(lambda: talk.hear("heartbeat")["cursor"] == cursor, 15, "the cursor moves")


def test_a_heartbeat_before_there_is_a_subscription_moves_nothing(dashboard: Start, feed: Feed) -> None:
    """Else a client that comes back with its cursor, hears one and is cut off would skip what it never got."""
    feed.alert("x")
    one = dashboard(heartbeat_s=0.1).synced()
    with talking(one) as talk:
        assert talk.hear("heartbeat")["cursor"] == ""
        subscribe(talk, since="0")
        talk.hear("alert")


def test_the_default_heartbeat_is_every_ten_seconds() -> None:
    assert DashboardConfig(redis_url="").heartbeat_s == 10.0


def test_control_frames_and_replies_between_events_break_nothing(dashboard: Start, feed: Feed) -> None:
    """Events go to the socket past the web server, everything else through it."""
    one = dashboard(heartbeat_s=0.05).synced()
    total = 1500
    with talking(one) as talk:
        subscribe(talk)
        ahead = threading.Semaphore(40)  # a writer that is far ahead would have it all out before the first ping

        def write() -> None:
            for number in range(total):
                ahead.acquire()
                feed.alert(f"a{number}", model="x" * (number % 900))

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        ids, pongs, waiters = [], 0, []
        while len(ids) < total or pongs < len(waiters):
            message = talk.hear("alert", "pong")
            if message["type"] == "pong":
                pongs += 1
                continue
            ids.append(message["alert"]["id"])
            ahead.release()
            if len(ids) % 10 == 0:
                waiters.append(talk.socket.ping())
                talk.say(type="ping", id=str(len(ids)))
        writer.join()
        assert ids == [f"a{number}" for number in range(total)]
        assert pongs == total // 10
        assert all(waiter.wait(WAIT_S) for waiter in waiters)


# Errors and close codes


@pytest.mark.parametrize(
    ("first", "code", "error"),
    [
        ({"type": "ping"}, 4400, "expected-hello"),
        ({"type": "hello"}, 4400, "malformed"),
        ({"type": "hello", "version": 2}, 4406, "unsupported-version"),
        ({"type": "hello", "version": 1}, 4401, "unauthorised"),
        ({"type": "hello", "version": 1, "token": "wrong"}, 4401, "unauthorised"),
        ({"type": "hello", "version": 1, "token": "s3cre\u0165"}, 4401, "unauthorised"),
    ],
)
def test_a_bad_greeting_is_told_and_closed(dashboard: Start, first: dict[str, Any], code: int, error: str) -> None:
    one = dashboard(token="s3cret").synced()
    with talking(one, hello=False) as talk:
        talk.say(**first)
        assert talk.hear("error")["code"] == error
        assert talk.closed() == code


def test_the_right_token_is_let_in(dashboard: Start) -> None:
    with talking(dashboard(token="s3cret").synced()) as talk:
        assert talk.welcome["version"] == 1


def test_nobody_may_stay_without_a_hello(dashboard: Start) -> None:
    with talking(dashboard(hello_s=0.2), hello=False) as talk:
        assert talk.closed() == 4408


def test_mistakes_are_answered_and_only_many_of_them_close(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    with talking(one) as talk:
        subscribe(talk)
        for text, code in [
            ("{", "malformed"),
            (b"\x00\xff", "malformed"),
            ('{"type":"dance"}', "unknown-type"),
            ('{"type":"hello","version":1}', "unexpected-hello"),
            ('{"type":"subscribe","id":"t","since":"yesterday"}', "bad-cursor"),
            ('{"type":"subscribe","id":"t","camera":"door"}', "malformed"),
        ]:
            talk.socket.send(text)
            assert talk.hear("error")["code"] == code
        feed.alert("x")
        assert talk.hear("alert")["alert"]["id"] == "x"
        for _ in range(10):
            talk.socket.send("{")
        assert talk.closed() == 4429


def test_too_many_subscriptions(dashboard: Start) -> None:
    with talking(dashboard().synced()) as talk:
        for number in range(17):
            talk.say(type="subscribe", id=str(number))
        for _ in range(16):
            talk.hear("subscribed")
        assert talk.hear("error")["code"] == "too-many-subscriptions"


def test_a_message_too_large_is_refused(dashboard: Start) -> None:
    with talking(dashboard().synced()) as talk:
        talk.socket.send("x" * 70_000)
        assert talk.closed() == 1009


def test_a_page_of_another_site_may_not_subscribe(dashboard: Start) -> None:
    one = dashboard()
    with pytest.raises(InvalidStatus) as caught, connect(one.ws, origin="https://evil.example"):  # type: ignore[arg-type]
        pass
    assert caught.value.response.status_code == 403
    with talking(one, origin=one.http) as talk:
        assert talk.welcome
    other = dashboard(allowed_origins=("https://intranet.example",))
    with talking(other, origin="https://intranet.example") as talk:
        assert talk.welcome
    with pytest.raises(InvalidStatus), connect(other.ws, origin="http://intranet.example"):  # type: ignore[arg-type]
        pass


def test_strange_hosts_get_no_socket(dashboard: Start) -> None:
    one = dashboard()
    door = socket.create_connection(("127.0.0.1", one.port))
    with pytest.raises(InvalidStatus) as caught, connect("ws://evil.example/ws/v1", sock=door):
        pass
    assert caught.value.response.status_code == 421


# Never dropped, never doubled


def test_a_subscriber_that_left_resumes_and_gets_every_event_once(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    with talking(one) as talk:
        subscribe(talk)
        feed.alert("a", "new")
        cursor = talk.hear("alert")["cursor"]
    missed = [feed.alert("a", "update", windows=n) for n in range(500)]
    with talking(one) as talk:
        subscribe(talk, since=cursor)
        live = feed.alert("a", "end")
        got = [talk.hear("alert")["cursor"] for _ in range(501)]
    assert got == [*missed, live]


@pytest.mark.parametrize("seed", range(3))
def test_random_cuts_while_events_are_written(dashboard: Start, feed: Feed, seed: int) -> None:
    """Cut anywhere, resume anywhere, in memory or back in Redis: all events, in order, once."""
    dice = random.Random(seed)
    one = dashboard().synced()
    one.hub.recent._limit = 50  # so that resuming has to go back to Redis and join the live events again
    with talking(one) as talk:
        cursor = talk.welcome["cursor"]
    total = 800
    written: list[str] = []

    def write() -> None:
        for number in range(total):
            written.append(feed.alert(f"a{number}"))
            time.sleep(dice.random() * 0.001)

    writer = threading.Thread(target=write)
    writer.start()
    got: list[str] = []
    while len(got) < total:
        enough = min(total, len(got) + dice.choice((0, 0, 120)))  # sometimes away for more than memory holds
        wait_until(lambda enough=enough: len(written) >= enough, 20, "enough is written")
        with talking(one) as talk:
            subscribe(talk, since=cursor)
            for _ in range(min(dice.randint(0, 200), total - len(got))):
                cursor = talk.hear("alert")["cursor"]
                got.append(cursor)
    writer.join()
    assert got == written


def test_alerts_survive_a_restart_of_redis_and_of_the_dashboard(dashboard: Start, tmp_path: Path) -> None:
    port = free_port()
    with valkey(tmp_path, port=port, aof=True) as (url, process):
        feed = Feed(redis.Redis.from_url(url))
        one = dashboard(redis_url=url).synced()
        with talking(one) as talk:
            subscribe(talk)
            written = [feed.alert("before")]
            assert talk.hear("alert")["cursor"] == written[0]
            end(process)
            wait_until(lambda: talk.hear("heartbeat")["bus"] == "lost", 20, "the loss is told")
            assert httpx.get(f"{one.http}/readyz", timeout=20).status_code == 503
            with valkey(tmp_path, port=port, aof=True):
                written += [feed.alert(f"after{n}") for n in range(20)]
                got = [talk.hear("alert", timeout_s=30)["cursor"] for _ in range(20)]
                assert got == written[1:]
                one.stop()
                written += [feed.alert(f"stopped{n}") for n in range(20)]
                one.start()
                one.synced()
                with talking(one) as again:
                    subscribe(again, since=got[9])
                    rest = [again.hear("alert")["cursor"] for _ in range(30)]
                assert rest == written[11:]
        feed.bus.close()


def test_a_redis_that_forgot_everything_is_a_gap(dashboard: Start, tmp_path: Path) -> None:
    port = free_port()
    with valkey(tmp_path, port=port) as (url, process):
        feed = Feed(redis.Redis.from_url(url))
        one = dashboard(redis_url=url).synced()
        with talking(one) as talk:
            subscribe(talk)
            feed.alert("before")
            talk.hear("alert")
            end(process)
            with valkey(tmp_path, port=port):
                gap = talk.hear("gap", timeout_s=30)
                assert gap["reason"] == "reset"
                feed.alert("after")
                assert talk.hear("alert")["alert"]["id"] == "after"
                assert [alert.id for alert in one.hub.alerts.open()] == ["after"]
        feed.bus.close()


def test_a_reset_is_told_to_a_subscriber_that_was_busy_when_it_happened(dashboard: Start) -> None:
    """The new stream has passed the old cursor already: by cursors alone nothing would look amiss."""
    one = dashboard().synced()

    def forget() -> None:
        one.hub.recent.clear()
        one.hub.recent.add(Entry.of((2**60, 0), alert_event("after")))
        one.hub.generation += 1
        one.hub.subscribers.wake()

    with talking(one) as talk:
        subscribe(talk)
        one.loop.call_soon_threadsafe(forget)
        assert talk.hear("gap", "alert")["reason"] == "reset"
        assert talk.hear("gap", "alert")["alert"]["id"] == "after"


def test_a_subscriber_that_does_not_even_take_its_close_is_cut(
    dashboard: Start, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "FLUSH_S", 0.3)
    one = dashboard(slow_after_s=0.3).synced()
    for number in range(1000):
        feed.alert("a", "update", windows=number, model="x" * 1000)
    slow = socket.create_connection(("127.0.0.1", one.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with talking(one, sock=slow, max_queue=1) as talk:
        subscribe(talk, since="0")
        wait_until(lambda: one.connections == 0, 15, "it is cut")


def test_a_cursor_older_than_what_is_kept_is_a_gap(dashboard: Start, feed: Feed, bus: redis.Redis) -> None:
    written = [feed.alert(f"a{n}") for n in range(10)]
    bus.xtrim(feed.keys.alerts, maxlen=3, approximate=False)
    one = dashboard().synced()
    one.hub.recent.base = (2**60, 0)  # nothing in memory
    with talking(one) as talk:
        subscribe(talk, since=written[2])
        assert talk.hear("gap", "alert") == {
            "type": "gap", "sub": "s", "since": written[2], "reason": "trimmed",
        }  # fmt: skip
        assert [talk.hear("alert", "gap")["cursor"] for _ in range(3)] == written[7:]


def test_a_cursor_of_another_redis_is_a_gap(dashboard: Start, feed: Feed) -> None:
    written = feed.alert("a")
    one = dashboard().synced()
    with talking(one) as talk:
        subscribe(talk, since="99999999999999-0")
        assert talk.hear("gap", "alert")["reason"] == "reset"
        assert talk.hear("gap", "alert")["cursor"] == written


def test_a_stalled_subscriber_is_closed_costs_nothing_and_can_resume(dashboard: Start, feed: Feed) -> None:
    one = dashboard(slow_after_s=1.0).synced()
    total = 3000
    padding = "x" * 1000
    slow = socket.create_connection(("127.0.0.1", one.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    # The quick one never stops reading, whatever this thread is at.
    with talking(one, sock=slow, max_queue=1) as stalled, talking(one, max_queue=None) as quick:
        cursor = subscribe(stalled)["cursor"]
        subscribe(quick)
        pipe = feed.bus.pipeline()
        feeder = Feed(pipe, feed.keys)
        for number in range(total):
            with pytest.raises(AttributeError):  # a pipeline answers later
                feeder.alert("a", "update", windows=number, model=padding)
        written = [id.decode() for id in pipe.execute() if isinstance(id, bytes)]
        got = [quick.hear("alert")["cursor"] for _ in range(total)]
        assert got == written
        wait_until(lambda: "too_slow_total 1.0" in httpx.get(f"{one.http}/metrics").text, 20, "the slow one is closed")
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        messages, code = stalled.rest()
    assert code == 4508
    part = [message["cursor"] for message in messages if message["type"] == "alert"]
    assert len(part) < total
    assert part == written[: len(part)]
    with talking(one, max_queue=None) as again:
        subscribe(again, since=part[-1] if part else cursor)
        rest = [again.hear("alert")["cursor"] for _ in range(total - len(part))]
    assert part + rest == written


def deaf(one: Running) -> socket.socket:
    """A socket whose system takes next to nothing for it."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", one.port))
    return made


def fill(feed: Feed, total: int) -> None:
    """That many events of about 1.5 KB, in one go."""
    pipe = feed.bus.pipeline()
    for number in range(total):
        pipe.xadd(feed.keys.alerts, {FIELD: alert_event("a", "update", windows=number, model="x" * 1000).encode()})
    pipe.execute()


def test_what_is_held_for_a_stalled_subscriber_is_bounded(dashboard: Start, feed: Feed) -> None:
    """Also when it kept up until a burst of events came for many subscriptions at once."""
    one = dashboard(slow_after_s=60.0).synced()
    with talking(one, sock=deaf(one), max_queue=1) as stalled:
        for number in range(16):
            stalled.say(type="subscribe", id=f"s{number}", topics=["alerts", "scores"])
            stalled.hear("subscribed")
        (sender,) = one.hub.subscribers
        held = 0
        for _ in range(5):
            fill(feed, 180)
            last = [int(part) for part in feed.alert("last").split("-")]
            while list(one.hub.recent.newest) != last:
                held = max(held, sender._connection.transport.get_write_buffer_size())  # type: ignore[attr-defined]
        for number in range(2000):
            feed.score(track=f"t{number}")
        wait_until(lambda: len(sender._scores) == MAX_TRACKS, 20, "scores wait")  # type: ignore[attr-defined]
        held = max(held, sender._connection.transport.get_write_buffer_size())  # type: ignore[attr-defined]
    assert held <= transport.HIGH_WATER + 2000


def test_a_slow_subscriber_gets_the_newest_score_of_each_track_and_not_the_old_ones(
    dashboard: Start, feed: Feed
) -> None:
    one = dashboard().synced()
    slow = socket.create_connection(("127.0.0.1", one.port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    total = 6000
    with talking(one, sock=slow, max_queue=1) as talk:
        subscribe(talk, topics=["scores"])
        pipe = feed.bus.pipeline()
        feeder = Feed(pipe, feed.keys)
        for number in range(total):
            with pytest.raises(AttributeError):
                feeder.score(track=f"t{number % 3}", seq=number, reason="x" * 500)
        pipe.execute()
        last = [key[0] for key in feed.bus.xrevrange(feed.keys.scores, count=1)]
        place = tuple(map(int, last[0].decode().split("-")))
        wait_until(lambda: one.hub.tails[0].scores_at == place, 20, "all are read")
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        newest: dict[str, int] = {}
        count: Counter[str] = Counter()
        while set(newest.values()) != {total - 3, total - 2, total - 1}:
            score = talk.hear("score")["score"]
            assert score["seq"] > newest.get(score["track"], -1)
            newest[score["track"]] = score["seq"]
            count[score["track"]] += 1
    assert sum(count.values()) < 800  # what the sockets' buffers hold, and the newest three


def test_before_redis_is_there_the_server_says_so_and_then_goes_on(dashboard: Start, tmp_path: Path) -> None:
    port = free_port()
    one = dashboard(redis_url=f"redis://127.0.0.1:{port}/0")
    with talking(one, hello=False) as talk:
        talk.say(type="hello", version=1)
        wait_until(lambda: talk.hear("heartbeat")["bus"] == "lost", 20, "Redis is missed")
        with valkey(tmp_path, port=port) as (url, _):
            talk.hear("welcome", timeout_s=30)
            subscribe(talk)
            with redis.Redis.from_url(url) as bus:
                Feed(bus).alert("a")
            assert talk.hear("alert")["alert"]["id"] == "a"
