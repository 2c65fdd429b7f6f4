"""200 alerts over every kind of cut: the dashboard restarts, Redis restarts, the network breaks. Counted by id."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time
from collections import Counter
from pathlib import Path

import redis

from dashboard.client import Client
from dashboard.protocol import AlertMessage, Gap
from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start
from tests.support.servers import end, free_port, valkey, wait_until

ALERTS = 200
EVENTS = ("new", "update", "end")


class Proxy:
    """Carries TCP to a port, and cuts every connection when told to."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """As when a cable is pulled; half of what was under way is lost."""
        with self._lock:
            for one in self._open:
                with contextlib.suppress(OSError):  # it ended by itself
                    one.shutdown(socket.SHUT_RDWR)
            self.cuts += bool(self._open)
            self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for here, there in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(here, there), daemon=True).start()

    def _carry(self, here: socket.socket, there: socket.socket) -> None:
        try:
            while data := here.recv(700):  # frames are torn apart
                there.sendall(data)
        except OSError:
            pass
        for one in (here, there):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class Listener:
    """The client under test, in a thread of its own."""

    def __init__(self, url: str) -> None:
        self.got: list[tuple[str, str]] = []
        self.gaps = 0
        self._client = Client(url, since="0", backoff_s=(0.05, 0.1))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._task = self._loop.create_task(self._listen())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _listen(self) -> None:
        async for event in self._client:
            if isinstance(event, AlertMessage):
                self.got.append((event.alert.id, event.event))
            self.gaps += isinstance(event, Gap)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)


def publish(feed: Feed, id: str, event: str) -> None:
    """As a worker does: tried until Redis has it; it says whether a reply was lost with the event written."""
    while True:
        try:
            feed.alert(id, event, "door")
            return
        except redis.RedisError:
            time.sleep(0.05)


def test_no_alert_is_missed_or_doubled(dashboard: Start, tmp_path: Path) -> None:
    chance = random.Random(4)
    port = free_port()
    expected = [(f"alert-{number}", event) for number in range(ALERTS) for event in EVENTS]
    cuts = {chance.randrange(len(expected)): chance.choice(["network", "dashboard"]) for _ in range(12)}
    cuts[200] = cuts[430] = "redis"
    server = valkey(tmp_path, port=port, aof=True)
    url, process = server.__enter__()
    one = dashboard(redis_url=url).synced()
    proxy = Proxy(one.port)
    listener = Listener(f"ws://127.0.0.1:{proxy.port}/ws/v1")
    feed = Feed(redis.Redis.from_url(url))
    feed.bus.config_set("appendfsync", "always")
    try:
        for number, (id, event) in enumerate(expected):
            match cuts.get(number):
                case "network":
                    proxy.cut()
                case "dashboard":
                    one.stop()
                    one.start()
                case "redis":
                    end(process)
                    server = valkey(tmp_path, port=port, aof=True)
                    _, process = server.__enter__()
                    feed.bus.config_set("appendfsync", "always")
            publish(feed, id, event)
        wait_until(lambda: len(listener.got) >= len(expected), 60, f"all events, {len(expected)} of them")
        feed.alert("last", "new", "door")
        wait_until(lambda: listener.got[-1] == ("last", "new"), 30, "the last one")
    finally:
        listener.stop()
        proxy.close()
        feed.bus.close()
        end(process)
    assert listener.got[:-1] == expected, "in order, each once"
    per_id = Counter(id for id, event in listener.got if event == "new")
    assert len(per_id) == ALERTS + 1
    assert set(per_id.values()) == {1}
    assert listener.gaps == 0
    assert proxy.cuts >= 3
