"""A streamer's part without cameras: real windows at a steady pace, through the streamer's own publisher."""

from __future__ import annotations

import threading
import time
from types import TracebackType

import redis
import structlog

from streamer.publish import Publisher
from tests.worker.making import window
from wire import bus as wire_bus
from wire.heartbeat import Heartbeat
from wire.keys import Keys
from wire.messages import CameraState
from wire.settings import StreamerSettings

CAMERAS, FACES = ("a", "b"), 2
PERIOD_S = 0.25  # between two windows of a track


class Load:
    """Sends from its own thread while the `with` lasts; afterwards all that it offered is sent or was dropped."""

    def __init__(self, url: str, keys: Keys, epoch: int, max_age_s: float = 600) -> None:
        self.offered: list[str] = []
        self._keys, self._epoch = keys, epoch
        self._bus = wire_bus.connect(url)
        self._bus.set_retry(redis.retry.Retry(redis.backoff.NoBackoff(), 0))  # as the streamer does
        limits = StreamerSettings(queue_max_age_s=max_age_s)
        self.publisher = Publisher(self._bus, keys, limits, structlog.get_logger(), time.time)
        self._heartbeat = Heartbeat(self._bus, keys, "streamer", "load")
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._feed, self._live)]

    @property
    def tracks(self) -> set[str]:
        return {f"{self._epoch}-{face}" for face in range(FACES)}

    def __enter__(self) -> Load:
        self.publisher.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
        self.publisher.stop(15)
        self._bus.close()

    def _feed(self) -> None:
        seq, due = 0, time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            for camera in CAMERAS:
                for track in sorted(self.tracks):
                    one = window(seq, camera=camera, track=track, epoch=self._epoch)
                    self.offered.append(one.id)
                    self.publisher.offer_window(one)
            seq, due = seq + 1, due + PERIOD_S

    def _live(self) -> None:
        """What a streamer does every second."""
        since = time.time()
        while not self._stop.wait(1.0 if time.time() - since > 0.5 else 0.1):
            now = time.time()
            for name in CAMERAS:
                self.publisher.offer_state(
                    CameraState(
                        name=name, state="live", source="load", since=since, updated=now, last_frame=now, fps=25.0,
                        analysed_fps=6.0, frame_size=(640, 480), faces=FACES, owner="load", detector="none",
                        windows=len(self.offered),
                    )
                )  # fmt: skip
            try:
                self._bus.sadd(self._keys.camera_names, *CAMERAS)
                self.publisher.trim()
                self._heartbeat.beat("ready")
            except (redis.RedisError, OSError):
                continue
