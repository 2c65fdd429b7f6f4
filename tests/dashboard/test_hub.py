"""Through cuts, restarts and losses of Redis: no event is dropped or doubled, and what is lost is said to be."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
import redis

from dashboard.history import Entry
from tests.dashboard.feed import Feed, alert_event
from tests.dashboard.talk import Start, subscribe, talking
from tests.support.servers import end, free_port, valkey, wait_until
from wire.bus import SOCKET_TIMEOUT_S


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


def test_a_redis_that_stands_still_is_noticed_long_before_a_socket_gives_up(
    dashboard: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dashboard.hub.BLOCK_MS", "dashboard.tail.BLOCK_MS"):
        monkeypatch.setattr(name, 200)
    monkeypatch.setattr("dashboard.readers.SILENT_S", 0.8)
    with valkey(tmp_path) as (url, process), redis.Redis.from_url(url) as bus:
        one = dashboard(redis_url=url, stale_after_s=0.5).synced()
        with talking(one) as talk:
            subscribe(talk, topics=["cameras"])
            Feed(bus).camera("door", faces=0)
            talk.hear("camera")
            process.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            try:
                wait_until(lambda: talk.hear("heartbeat", "camera").get("bus") == "lost", 15, "it is noticed")
                assert time.monotonic() - stopped < SOCKET_TIMEOUT_S
                wait_until(lambda: talk.hear("camera")["camera"]["why"] == "redis-lost", 15, "no streamer is blamed")
            finally:
                process.send_signal(signal.SIGCONT)
            wait_until(lambda: talk.hear("heartbeat", "camera").get("bus") == "ok", 15, "it is there again")


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
