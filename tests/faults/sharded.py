"""The streamer's publisher, the queue and the commit over the key spaces of shards, with a thread for each shard."""

from __future__ import annotations

import threading
import time
from typing import Any

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from streamer.publish import Publisher
from tests.worker.making import RULES, score, window
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent
from wire.settings import Settings
from worker.commit import Ledger, Work
from worker.features import RedisCache
from worker.queue import Entry, WindowQueue, read_window


class Shard:
    """Makes a window at a time and settles it, until `stop`. Has its client for itself and leaves it open."""

    def __init__(self, client: redis.Redis, keys: Keys, camera: str) -> None:
        client.set_retry(Retry(NoBackoff(), 0))
        self.client, self.keys, self.settled, self.refused = client, keys, 0, ""
        self._camera, settings = camera, Settings()
        self._publisher = Publisher(client, keys, settings.streamer, structlog.get_logger(), time.monotonic)
        self._queue = WindowQueue(client, keys, "w")
        self._ledger = Ledger(client, keys, settings, RULES, RedisCache(client, keys, "tiny", 2, 30), time.time)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin."""
        self._publisher.start()
        self._thread.start()

    def stop(self) -> None:
        """Settle what is there, and end."""
        self._stop.set()
        self._thread.join()
        self._publisher.stop(5)
        self._settle([entry for id in self._queue.open() if (entry := self._queue.claim(id, time.time()))])
        while entries := self._queue.read(16, 0, time.time):
            self._settle(entries)

    @property
    def accounted(self) -> float:
        """The windows that have an outcome, of those that were made."""
        counts: Any = self.client.hgetall(self.keys.outcomes)
        made = int(counts.pop(b"made"))
        return sum(map(int, counts.values())) / made

    @property
    def opened(self) -> list[str]:
        """The alert of each `new` event."""
        rows: Any = self.client.xrange(self.keys.alerts)
        events = [AlertEvent.decode(fields[FIELD]) for _, fields in rows]
        return [event.alert.id for event in events if event.event == "new"]

    def _run(self) -> None:
        seq = 0
        while not self._stop.is_set():
            self._publisher.offer_window(window(seq, camera=self._camera))
            seq += 1
            try:
                self._settle(self._queue.read(16, 0.05, time.time))
            except redis.RedisError as error:
                self.refused = str(error)
                self._stop.wait(0.05)

    def _settle(self, entries: list[Entry]) -> None:
        works = []
        for entry in entries:
            one = read_window(entry.data)
            works.append(Work(entry, one, score(one.seq, 0.9, one.captured, camera=one.camera)))
        if works:
            self.settled += len(self._ledger.settle(works).scores)
