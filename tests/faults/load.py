"""A streamer's part without cameras: real windows at a steady pace, through the streamer's own publisher."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType

import redis
import structlog

from streamer.publish import Publisher
from tests.worker.making import window
from wire import bus as wire_bus
from wire.heartbeat import Heartbeat
from wire.keys import Keys
from wire.messages import CameraState
from wire.settings import RedisSettings, StreamerSettings
from wire.shards import Space, Spaces, shard_of

CAMERAS, FACES = ("a", "b"), 2
PERIOD_S = 0.25  # between two windows of a track


class Load:
    """Sends from its own thread while the `with` lasts; afterwards all that it offered is sent or was dropped."""

    def __init__(
        self, section: RedisSettings, epoch: int, max_age_s: float = 600, cameras: Sequence[str] = CAMERAS
    ) -> None:
        self.offered: list[str] = []
        self._epoch, self._cameras = epoch, cameras
        home = Space(self._connect(str(section.url)), Keys(section.prefix))
        self._spaces = Spaces.of(home, section.spaces(str(section.url)), self._connect)
        limits, log = StreamerSettings(queue_max_age_s=max_age_s), structlog.get_logger()
        self._publishers = [Publisher(one.bus, one.keys, limits, log, time.time) for one in self._spaces.shards]
        self._heartbeat = Heartbeat(home.bus, home.keys, "streamer", "load")
        self._stop = threading.Event()
        each = (partial(self._live, n) for n in range(len(self._publishers)))
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._feed, self._beat, *each)]

    @staticmethod
    def _connect(url: str) -> redis.Redis:
        return wire_bus.open_client(url, retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0))  # as the streamer does

    @property
    def dropped(self) -> int:
        """Windows that were offered while Redis was away: counted, and never made."""
        return sum(publisher.dropped for publisher in self._publishers)

    @property
    def waiting(self) -> int:
        """Windows that wait to be sent, of the camera that has most of them."""
        each = (windows for publisher in self._publishers for windows in list(publisher._windows.values()))
        return max(map(len, each), default=0)

    def _publisher(self, camera: str) -> Publisher:
        return self._publishers[shard_of(camera, len(self._publishers))]

    @property
    def tracks(self) -> set[str]:
        return {f"{self._epoch}-{face}" for face in range(FACES)}

    def __enter__(self) -> Load:
        for publisher in self._publishers:
            publisher.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
        for publisher in self._publishers:
            publisher.stop(15)
        for space in (self._spaces.home, *self._spaces.others):
            space.bus.close()

    def _feed(self) -> None:
        seq, due = 0, time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            for camera in self._cameras:
                for track in sorted(self.tracks):
                    one = window(seq, camera=camera, track=track, epoch=self._epoch)
                    self.offered.append(one.id)
                    self._publisher(camera).offer_window(one)
            seq, due = seq + 1, due + PERIOD_S

    def _beat(self) -> None:
        while not self._stop.wait(0.5):
            with suppress(redis.RedisError, OSError):
                self._heartbeat.beat("ready")

    def _live(self, shard: int) -> None:
        """What a streamer does every second, in one shard."""
        since, space, publisher = time.time(), self._spaces.shards[shard], self._publishers[shard]
        names = [name for name in self._cameras if self._publisher(name) is publisher]
        while not self._stop.wait(1.0 if time.time() - since > 0.5 else 0.1):
            now = time.time()
            for name in names:
                publisher.offer_state(
                    CameraState(
                        name=name, state="live", source="load", since=since, updated=now, last_frame=now, fps=25.0,
                        analysed_fps=6.0, frame_size=(640, 480), faces=FACES, owner="load", detector="none",
                        windows=len(self.offered),
                    )
                )  # fmt: skip
            try:
                space.bus.sadd(space.keys.camera_names, *names)
                publisher.trim()
            except (redis.RedisError, OSError):
                continue
