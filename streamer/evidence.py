"""What only the streamer can add to an alert's evidence: the whole frame with the face boxed, and a clip.

A thread follows the `alerts` stream and looks into the packet rings of this streamer's cameras. No camera waits for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import av.error
import redis

from streamer import blame, clips, picture
from streamer.ring import SLACK_S, PacketRing
from wire import bus as wire_bus
from wire.evidence import EvidenceStore
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent, Clip, Evidence, Picture
from wire.settings import AlertSettings
from wire.telemetry import Log, Throttle

BLOCK_MS = 250  # a stop is noticed after this
BATCH = 64
PAUSE_S = 0.5
TRIES = 20  # to hand a part over while Redis is away
LOG_S = 10.0

T = TypeVar("T")


def reach_s(settings: AlertSettings) -> float:
    """How far back a camera's ring has to reach, seconds."""
    return SLACK_S + (max(settings.clip_before_s, settings.clip_after_s) if settings.evidence_clip else 0.0)


class EvidenceMaker:
    """Adds pictures and clips to the evidence of new alerts. `start` and `stop` once."""

    def __init__(
        self,
        bus: redis.Redis,
        keys: Keys,
        settings: AlertSettings,
        ring_of: Callable[[str], PacketRing | None],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        self.clips = clips.ClipMaker(self._keep, log, clock)
        self._bus, self._keys, self._settings, self._ring_of = bus, keys, settings, ring_of
        self._store = EvidenceStore(keys, settings)
        self._log, self._clock = log, clock
        self._throttle = Throttle(clock, LOG_S)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)

    def start(self) -> None:
        """Begin with the alerts that come from now on."""
        self._thread.start()
        if self._settings.evidence_clip:
            self.clips.start()

    def ask_to_stop(self) -> None:
        """Return at once; both threads end soon."""
        self._stop.set()
        self.clips.ask_to_stop()

    def stop(self, timeout_s: float) -> bool:
        """Stop; False when a thread is still inside FFmpeg, or waits for Redis."""
        self.ask_to_stop()
        end = time.monotonic() + timeout_s
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return self.clips.stop(max(0.0, end - time.monotonic())) and not self._thread.is_alive()

    def _run(self) -> None:
        clips.lower_priority()
        last: bytes | None = None
        while not self._stop.is_set():
            try:
                last = last or self._newest()
                for cursor, fields in self._read(last):
                    last = cursor
                    self._entry(fields)
                self.clips.collect()
            except redis.RedisError as error:
                self._told("redis", "Redis does not answer; no pictures of alerts", error=wire_bus.reason(error))
                self._stop.wait(PAUSE_S)
            except Exception:  # a bug must cost one picture, not all
                self._log.exception("picture failed")

    def _newest(self) -> bytes:
        entries: Any = self._bus.xrevrange(self._keys.alerts, count=1)
        return bytes(entries[0][0]) if entries else b"0-0"

    def _read(self, last: bytes) -> list[tuple[bytes, dict[bytes, bytes]]]:
        reply: Any = self._bus.xread({self._keys.alerts: last}, count=BATCH, block=BLOCK_MS)
        return list(reply[0][1]) if reply else []

    def _entry(self, fields: dict[bytes, bytes]) -> None:
        """Follow one event: a face's alert that has just opened on a camera of ours."""
        event = AlertEvent.read(fields.get(FIELD))
        if event is None:
            self._told("event", "skipped what is no alert event of ours")
            return
        alert = event.alert
        ring = self._ring_of(alert.camera) if event.event == "new" and alert.track else None
        if ring is None:
            return
        evidence = Evidence.read(self._patiently(lambda: self._bus.hget(self._keys.evidence(alert.id), "window")))
        if evidence is None or not evidence.frames:
            return  # no longer kept
        if self._settings.evidence_clip:
            self.clips.offer(clips.job(alert.id, alert.camera, evidence.frames[-1].captured, ring, self._settings))
        self._picture(ring, alert.camera, evidence)

    def _picture(self, ring: PacketRing, camera: str, evidence: Evidence) -> None:
        try:
            made = blame.under(camera, lambda: picture.make(ring, evidence))
        except (av.error.FFmpegError, ValueError) as error:
            self._told("decode", "alert without a picture", camera=camera, reason=type(error).__name__)
            return
        if made is None:
            age = round(self._clock() - evidence.frames[-1].captured, 1)
            reason = f"the frame is {age:g} s old and no longer held"
            self._told("gone", "alert without a picture", camera=camera, reason=reason)
            return
        self._keep(made)

    def _keep(self, part: Picture | Clip) -> None:
        self._patiently(lambda: self._store.put(self._bus, part, self._clock()))

    def _patiently(self, call: Callable[[], T]) -> T:
        """Its result; tried again, up to TRIES times, while Redis is away. Raises redis.RedisError at last."""
        for _ in range(TRIES):
            try:
                return call()
            except wire_bus.REACH_ERRORS:
                if self._stop.wait(PAUSE_S):
                    raise
        return call()

    def _told(self, cause: str, line: str, **facts: object) -> None:
        held = self._throttle.admit(cause)
        if held is not None:
            self._log.warning(line, lines_held_back=held, **facts)
