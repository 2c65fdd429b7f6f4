"""What streamers do to Redis, without cameras: windows, states, previews and leases, `speed` times as fast as real.

The publishers, the leases and the register of crashes are the streamer's own, one of each for every PER_STREAMER
cameras; each streamer is configured with all of them. A face is before its camera for LIFE windows, then comes another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import cycle
from typing import Any

import cv2
import numpy as np
import redis
import structlog

from streamer.analysis import preview
from streamer.lease import Leases
from streamer.pixels import View
from streamer.publish import Publisher
from streamer.quarantine import Quarantine
from unmask.bench.clip import SIZE
from unmask.bench.crops import Pool, pool, read_portrait
from unmask.bench.feed import Track
from wire.heartbeat import Heartbeat
from wire.keys import Keys
from wire.messages import CameraState, Window
from wire.settings import (
    AlertSettings,
    CameraSettings,
    DashboardSettings,
    StreamerSettings,
    WindowSettings,
    WorkerSettings,
)

ANALYSED: float = CameraSettings.model_fields["analysis_fps"].default
CROPS = 64
PER_STREAMER = 100
LIFE = 90  # windows; a minute at the default rate
PERIOD_S = 1.0  # between two states, previews and looks at the leases of a streamer
TURN_S = 0.004  # so often the cameras' clock ticks
STOP_S = 5.0

# What waits for a camera, or is kept for it, takes as much longer as the cameras' time is slower.
_DILATED: Mapping[str, tuple[Any, Sequence[str]]] = {
    "worker": (WorkerSettings(), ("feature_ttl_s",)),
    "streamer": (StreamerSettings(), ("lease_s", "queue_max_age_s")),
    "alerts": (
        AlertSettings(),
        ("dwell_s", "cooldown_s", "update_s", "end_after_s", "offline_after_s", "frozen_after_s"),
    ),
    "dashboard": (DashboardSettings(), ("stale_after_s",)),
}


def dilated(speed: float) -> dict[str, dict[str, float]]:
    """Sections of settings for cameras whose time runs `speed` times as fast."""
    return {
        section: {name: getattr(default, name) / speed for name in names}
        for section, (default, names) in _DILATED.items()
    }


def rate(cameras: int, speed: float) -> float:
    """Windows a second of so many cameras with a face each."""
    return cameras * speed * ANALYSED / WindowSettings().stride


class Pace:
    """Events of a steady rate, and how many of them are due. Pure."""

    def __init__(self, rate: float, began: float) -> None:
        self._rate, self._began = rate, began
        self.given = 0

    def due(self, now: float) -> int:
        """How many since it was asked last."""
        count = int((now - self._began) * self._rate) - self.given
        self.given += count
        return count


class Cameras:
    """So many cameras with a face each; they go on where they were when another fleet takes them."""

    def __init__(self, count: int) -> None:
        self.window = WindowSettings()
        self.names = [f"camera-{number:06d}" for number in range(count)]
        self.preview = preview(View(cv2.resize(read_portrait(), SIZE).astype(np.uint8, copy=False)), [])
        self._pool: Pool = pool(CROPS, self.window)
        self._epoch = round(time.time() * 1000)
        self._tracks = [self._track(at, 0) for at in range(count)]
        # Faces leave one after the other, and none at once: see `unmask.bench.past`.
        self._left = [LIFE // 4 + at * LIFE // count for at in range(count)]
        self._lives = [0] * count

    def _track(self, at: int, life: int) -> Track:
        first = at * 7 % CROPS
        frames, stride = self.window.frames, self.window.stride
        return Track(self.names[at], life, self._epoch, frames, stride, self._pool, first)

    def next(self, at: int) -> Window:
        """The next window of a camera, captured now."""
        if not self._left[at]:
            self._lives[at] += 1
            self._tracks[at], self._left[at] = self._track(at, self._lives[at]), LIFE
        self._left[at] -= 1
        return self._tracks[at].next(time.time())

    def state(self, at: int, owner: str, face: bool) -> CameraState:
        """What a camera's streamer says of it."""
        now = time.time()
        return CameraState(
            name=self.names[at], state="live", source=f"rtsp://192.0.2.1:554/{self.names[at]}", since=now - 60,
            updated=now, last_frame=now, fps=25.0, analysed_fps=ANALYSED, frame_size=SIZE, faces=int(face),
            windows=0, owner=owner, detector="yunet",
        )  # fmt: skip


class Fleet:
    """The streamers of all cameras. `begin` and `end` once; `show_faces` in between."""

    def __init__(self, url: str, keys: Keys, cameras: Cameras, speed: float) -> None:
        self._bus, self._keys, self._cameras, self.speed = redis.Redis.from_url(url), keys, cameras, speed
        settings, names = dilated(speed)["streamer"], cameras.names
        limits, log = StreamerSettings(**settings), structlog.get_logger()
        self._owners = [f"streamer-{number}" for number in range(-(-len(names) // PER_STREAMER))]
        self._publishers = [Publisher(self._bus, keys, limits, log, time.time) for _ in self._owners]
        self._leases = [Leases(self._bus, keys, owner, limits.lease_s) for owner in self._owners]
        self._beats = [Heartbeat(self._bus, keys, "streamer", owner) for owner in self._owners]
        self._register = Quarantine(self._bus, keys)
        self._stop = threading.Event()
        self._windows: Pace | None = None
        self._threads = [threading.Thread(target=one, name=one.__name__) for one in (self._play, self._look_after)]
        self.cameras_cpu_s = self.leases_cpu_s = 0.0
        self.looks = 0

    @property
    def dropped(self) -> int:
        """Windows that never reached Redis."""
        return sum(one.dropped for one in self._publishers)

    @property
    def made(self) -> int:
        """Windows that were handed to the publishers."""
        return self._windows.given if self._windows else 0

    def begin(self) -> None:
        """Take the leases, and play cameras before which nobody is."""
        for number, lease in enumerate(self._leases):
            for name in self._names(number):
                lease.acquire(name)
        for publisher in self._publishers:
            publisher.start()
        for thread in self._threads:
            thread.start()

    def show_faces(self) -> None:
        """From now on there is a face before each camera."""
        self._windows = Pace(rate(len(self._cameras.names), self.speed), time.monotonic())

    def end(self) -> None:
        """Send what waits, and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for one in self._publishers:
            one.stop(STOP_S)
        with suppress(redis.RedisError):
            for number, lease in enumerate(self._leases):
                self._beats[number].stop()
                for name in self._names(number):
                    lease.release(name)
        self._bus.close()

    def _names(self, streamer: int) -> list[str]:
        return self._cameras.names[streamer * PER_STREAMER : (streamer + 1) * PER_STREAMER]

    def _play(self) -> None:
        """The cameras' clock."""
        count = len(self._cameras.names)
        states = Pace(count * self.speed / PERIOD_S, time.monotonic())
        state, window = cycle(range(count)), cycle(range(count))
        while not self._stop.wait(TURN_S):
            for _ in range(states.due(time.monotonic())):
                at = next(state)
                streamer = at // PER_STREAMER
                self._publishers[streamer].offer_state(
                    self._cameras.state(at, self._owners[streamer], self._windows is not None)
                )
                self._publishers[streamer].offer_preview(self._cameras.names[at], self._cameras.preview)
            for _ in range(self._windows.due(time.monotonic()) if self._windows else 0):
                at = next(window)
                self._publishers[at // PER_STREAMER].offer_window(self._cameras.next(at))
            self.cameras_cpu_s = time.thread_time()

    def _look_after(self) -> None:
        """What each streamer does every second of its cameras' time, one after the other."""
        pace, turn = Pace(len(self._owners) * self.speed / PERIOD_S, time.monotonic()), cycle(range(len(self._owners)))
        names = self._cameras.names
        while not self._stop.wait(TURN_S):
            for _ in range(pace.due(time.monotonic())):
                number, now = next(turn), time.time()
                with suppress(redis.RedisError):  # a Redis that is too slow shows in what is measured
                    self._publishers[number].trim()
                    self._bus.sadd(self._keys.camera_names, *names)
                    self._register.held(self._leases[number].step(names, now), now)
                    self._beats[number].beat()
                self.looks += 1
                self.leases_cpu_s = time.thread_time()
