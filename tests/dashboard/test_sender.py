"""What goes to a subscriber and when: heartbeats, and little for one that is slow."""

from __future__ import annotations

import socket
import threading
from collections import Counter

import httpx
import pytest

from dashboard import transport
from dashboard.config import DashboardConfig
from dashboard.sender import MAX_TRACKS
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed, alert_event
from tests.dashboard.talk import WAIT_S, Start, subscribe, talking
from tests.support.servers import wait_until
from wire.keys import FIELD


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
