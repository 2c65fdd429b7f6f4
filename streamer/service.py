"""The streamer: cameras by lease, one runtime each, and a monitor that publishes their states every second.

The monitor itself waits for no Redis: what it needs of it stands in `Claims`, what it tells goes through the branches.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import cv2
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from streamer import blame, confine, hardware, models
from streamer.branch import Branch
from streamer.camera import CameraRuntime
from streamer.cameras import compare
from streamer.claims import Claim, Claims
from streamer.config import CameraConfig, StreamerConfig, take
from streamer.evidence import reach_s
from streamer.faces import Detector
from streamer.follow import Follow
from streamer.lease import Leases
from streamer.quarantine import Crashes, Quarantine
from streamer.ring import PacketRing
from wire import bus as wire_bus
from wire import garbage
from wire.ending import leave
from wire.errors import RedisUnreachable, SourceError
from wire.heartbeat import Facts, Heartbeat
from wire.last_words import predecessors_camera
from wire.messages import CameraState, CameraStatus
from wire.settings import Settings
from wire.shards import Space, Spaces, agree, shard_of
from wire.telemetry import Log, Throttle, setup
from wire.watchdog import HUNG_S, Calls, Watchdog

TICK_S = 0.2
PERIOD_S = 1.0
STOP_S = 1.5  # for all cameras together; what is then still inside FFmpeg is let go
PUBLISH_S = 0.5  # for what is still to be sent
END_S = 2.5  # for a clean end altogether
REDIS_WAIT_S = 1.0
TURN_S = 60.0  # for a turn of the loop


class Streamer:
    """The service. `run` blocks until `stop`, which may be called from any thread or from a signal handler."""

    def __init__(
        self,
        config: StreamerConfig,
        bus: redis.Redis,
        log: Log,
        choice: models.Choice,
        clock: Callable[[], float] = time.time,
        follow: Follow | None = None,
    ) -> None:
        self._follow = follow
        self._config, self._bus, self._log, self._choice, self._clock = config, bus, log, choice, clock
        self._keys = config.keys
        once = Retry(NoBackoff(), 0)  # a repeated XADD would be a second window
        bus.set_retry(once)
        home = Space(bus, self._keys)
        spaces = Spaces.of(home, config.shards, lambda url: wire_bus.open_client(url, retry=once))
        self._claims = Claims(
            Leases(bus, self._keys, config.name, config.streamer.lease_s),
            Quarantine(bus, self._keys),
            Heartbeat(bus, self._keys, "streamer", config.name, clock),
            predecessors_camera(),
            self._unreachable,
            log,
            clock,
            config.streamer.lease_s,
        )
        self._branches = [
            Branch(one.bus, one.keys, config, self._ring, self._claims, self._unreachable, log, clock)
            for one in spaces.shards
        ]
        self._tell_branches()
        self._hardware = hardware.find(config.streamer.hwaccel, log)
        self._detector: Detector | None = None
        self._detector_lock = threading.Lock()
        self._throttle = Throttle(clock)
        self._stop = threading.Event()
        self._cameras: dict[str, CameraRuntime] = {}
        self._shown: dict[str, CameraStatus] = {}
        self._leaving: list[CameraRuntime] = []
        self._calls, self._turned = Calls(), time.monotonic()
        self._held: Mapping[str, Crashes] = {}

    def stop(self) -> None:
        """Make `run` return, in less than two seconds."""
        self._stop.set()

    def run(self) -> None:
        """Run the cameras this streamer has the leases of."""
        watchdog = Watchdog(self._hung, self._log, ending=self._accuse)
        watchdog.start()
        for branch in self._branches:
            branch.start()
        self._claims.start()
        self._log.info("streamer started", id=self._config.name, detector=self._choice.kind)
        last = float("-inf")
        while not self._stop.is_set():
            self._turned = time.monotonic()
            now = self._clock()
            changed = self._follow is not None and self._reconfigure(self._follow)
            due = changed or not 0 <= now - last < PERIOD_S
            if self._claims.failure is not None:
                raise self._claims.failure
            self._take(self._claims.now)
            if due:
                last = now
                trouble = self._follow.trouble if self._follow else ""
                names = [camera.name for camera in self._config.cameras]
                self._claims.tell(names, self._detail(), Facts(trouble=trouble), at_once=changed)
            self._publish_states(everything=due)
            self._stop.wait(TICK_S)
        watchdog.stop()
        self._shut_down()

    def _hung(self) -> str:
        """Why there is no progress, "" where there is. A camera that is away is none: its reads end by themselves."""
        since = time.monotonic() - self._turned
        return self._calls.hung(HUNG_S) or (f"no turn of the loop for {since:.0f} s" if since > TURN_S else "")

    def _accuse(self) -> None:
        if (thread := self._calls.hung_thread(HUNG_S)) is not None:
            blame.accuse(thread)

    @property
    def on_device(self) -> bool:
        """Whether a device decodes."""
        return self._hardware.device is not None

    @property
    def stuck(self) -> bool:
        """Whether a thread is still inside FFmpeg, or waits for Redis."""
        cameras = (*self._cameras.values(), *self._leaving)
        evidence = (branch.evidence for branch in self._branches)
        stops = (*(one.stop for one in cameras), *(one.stop for one in evidence), self._claims.stop)
        return any(not stop(0) for stop in stops)

    def _take(self, claim: Claim) -> None:
        """Run the cameras that are ours, and no others. While the home is away they go on as they are."""
        mine, self._held = claim.mine, claim.held
        for name in self._cameras.keys() & self._held.keys():
            self._leaving.append(self._cameras.pop(name))
            self._leaving[-1].ask_to_stop()
        for name in self._cameras.keys() - mine:
            self._log.info("camera given to another streamer", camera=name)
            self._end(name)
        self._leaving = [camera for camera in self._leaving if not camera.stop(0)]
        for one in self._config.cameras:
            if one.name in mine - self._held.keys() and one.name not in self._cameras:
                self._cameras[one.name] = runtime = CameraRuntime(
                    one,
                    self._config.streamer,
                    self._config.window,
                    self._make_detector,
                    self._branch(one.name).publisher,
                    self._config.name,
                    self._log,
                    self._clock,
                    PacketRing(reach_s(self._config.alerts)),
                    self._hardware,
                    self._calls,
                )
                runtime.start()

    def _reconfigure(self, follow: Follow) -> bool:
        """Take the cameras of a configuration that has changed; whether it has."""
        found = follow.poll()
        if found is None:
            return False
        changes = compare(self._config.cameras, found)
        self._config = replace(self._config, cameras=found)
        self._tell_branches()
        for name in (*changes.removed, *changes.changed):
            if name in self._cameras:
                self._end(name)
                if name in changes.removed:
                    self._branch(name).publisher.remove(name)
            self._shown.pop(name, None)
        return bool(changes)

    def _end(self, name: str) -> None:
        camera = self._cameras.pop(name)
        camera.ask_to_stop()
        self._leaving.append(camera)
        self._shown.pop(name, None)

    def _make_detector(self) -> Detector:
        """The detector of all cameras, made by the first that wants it."""
        with self._detector_lock:
            self._detector = self._detector or self._choice.make(self._config.streamer)
            return self._detector

    def _ring(self, camera: str) -> PacketRing | None:
        runtime = self._cameras.get(camera)
        return runtime.ring if runtime else None

    def _detail(self) -> str:
        live = sum(status == "live" for status in self._shown.values())
        lost = sum(branch.publisher.dropped for branch in self._branches)
        without = sum(branch.evidence.clips.skipped for branch in self._branches)
        dropped = f", {lost} windows dropped" if lost else ""
        skipped = f", {without} clips skipped" if without else ""
        return f"detector {self._choice.kind}, {len(self._cameras)} cameras, {live} live{dropped}{skipped}"

    def _publish_states(self, everything: bool) -> None:
        for name, camera in self._cameras.items():
            state = camera.state()
            if everything or state.state != self._shown.get(name):
                self._shown[name] = state.state
                self._branch(name).publisher.offer_state(state)
        if everything:
            for one in self._config.cameras:
                if crashes := self._held.get(one.name):
                    self._shown[one.name] = "quarantined"
                    self._branch(one.name).publisher.offer_state(self._quarantined(one, crashes))

    def _quarantined(self, one: CameraConfig, crashes: Crashes) -> CameraState:
        again = datetime.fromtimestamp(crashes.until(), UTC).strftime("%H:%M:%S UTC")
        times = "once" if crashes.count == 1 else f"{crashes.count} times"
        error = SourceError(
            "quarantined", one.source.name, f"it has brought the streamer down {times}; tried again at {again}"
        )
        return CameraState(
            name=one.name,
            state="quarantined",
            source=one.source.name,
            error=str(error),
            since=crashes.last,
            updated=self._clock(),
            owner=self._config.name,
        )

    def _branch(self, camera: str) -> Branch:
        return self._branches[shard_of(camera, len(self._branches))]

    def _tell_branches(self) -> None:
        names = [camera.name for camera in self._config.cameras]
        for branch in self._branches:
            branch.tell(name for name in names if self._branch(name) is branch)

    def _unreachable(self, error: redis.RedisError) -> None:
        held = self._throttle.admit("redis")
        if held is not None:
            self._log.warning("Redis does not answer; the cameras go on", error=wire_bus.reason(error))

    def _shut_down(self) -> None:
        self._log.info("streamer stopping")
        cameras = [*self._cameras.values(), *self._leaving]
        began = time.monotonic()
        self._claims.ask_to_stop()
        for branch in self._branches:
            branch.ask_to_stop()
        for camera in cameras:
            camera.ask_to_stop()
        end = began + STOP_S
        for camera in cameras:
            camera.stop(max(0.0, end - time.monotonic()))
        for branch in self._branches:
            branch.evidence.stop(max(0.0, end - time.monotonic()))
        end = time.monotonic() + PUBLISH_S
        for branch in self._branches:  # all at once: one whose node is silent takes all of the time
            branch.publisher.ask_to_stop()
        for branch in self._branches:
            branch.stop(max(0.0, end - time.monotonic()))
        if not self._claims.stop(max(0.0, began + STOP_S + PUBLISH_S - time.monotonic())):
            self._log.warning("Redis does not answer; leaving without a farewell")
            return
        try:
            self._claims.farewell()
        except redis.RedisError as error:
            self._unreachable(error)


def run(settings: Settings, path: Path | None = None) -> None:
    """Run a streamer until SIGTERM or SIGINT, its cameras as they change in the file at `path`, if there is one.

    Raises UnmaskError when it can't start.
    """
    config = take(settings)
    log = setup(config.telemetry, "streamer")
    cv2.setNumThreads(1)  # many cameras share the processor; OpenCV's own pool would only fight with them
    stop = threading.Event()
    running = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not running:
            raise SystemExit(0)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    bus = _wait_for_redis(config, log)
    choice = models.choose(config.streamer, config.models)
    if choice.why:
        log.warning(
            "faces are found with OpenCV's Haar cascade: frontal faces only, no landmarks",
            why=choice.why,
            remedy=f"put {models.FILE} in the folder UNMASK_MODELS names, from {models.URL}",
        )
    follow = Follow(path, settings, log) if path is not None else None
    streamer = Streamer(config, bus, log, choice, follow=follow)
    _confine(config, streamer.on_device, log)
    garbage.set_apart()
    running = True
    with ThreadPoolExecutor(1, "streamer") as pool:
        # Not in this thread: a Redis that is frozen must not keep a signal from ending us.
        future = pool.submit(streamer.run)
        future.add_done_callback(lambda _: stop.set())
        stop.wait()
        streamer.stop()
        try:
            future.result(END_S)
        except TimeoutError:
            log.warning("Redis does not answer; leaving without a farewell")
            leave()
    bus.close()
    if streamer.stuck:  # a thread inside FFmpeg can't be ended, and must not meet a dying interpreter
        leave()


def _confine(config: StreamerConfig, on_device: bool, log: Log) -> None:
    blame.listen()
    wanted = config.streamer.memory_mb
    # A device's driver maps memory as it likes; there only a limit that somebody asked for holds.
    limit_mb = 0 if on_device and wanted is None else confine.memory_mb(wanted, len(config.cameras))
    for why in confine.confine(limit_mb, config.streamer.cores):
        log.warning("the decoders are less confined than they could be", missing=why)


def _wait_for_redis(config: StreamerConfig, log: Log) -> redis.Redis:
    """The connection, however long it takes. Raises ServiceError where this Redis has another number of shards."""
    told = float("-inf")
    while True:
        try:
            bus = wire_bus.connect(config.redis_url)
            agree(bus, config.keys, len(config.shards))
            return bus
        except (RedisUnreachable, redis.RedisError) as error:
            if time.monotonic() - told > 10:
                told = time.monotonic()
                log.warning("waiting for Redis", error=str(error))
        time.sleep(REDIS_WAIT_S)
