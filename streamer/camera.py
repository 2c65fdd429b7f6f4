"""One camera: a thread that reads, analyses and reconnects for ever, and a state that can be asked for at any time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

import av.error
from msgspec import UNSET

from streamer import blame, foreign
from streamer.analysis import Analysis, preview
from streamer.backoff import Backoff
from streamer.config import CameraConfig
from streamer.faces import Detector
from streamer.hardware import Hardware
from streamer.health import FpsMeter, FreezeDetector
from streamer.reader import Context, Decoded, Reader
from streamer.recorder import keep_picture
from streamer.ring import PacketRing
from wire.errors import SourceError, SourceErrorKind
from wire.messages import CameraState, CameraStatus, Window
from wire.redact import redact
from wire.settings import StreamerSettings, WindowSettings
from wire.telemetry import Log, Throttle
from wire.watchdog import Calls

HURRY_S = 0.5
LOG_S = 60.0  # the same failure is logged this often at most until the camera is live again


class Sink(Protocol):
    """Where a camera's output goes; nothing here may block."""

    def offer_window(self, window: Window) -> None:
        """A finished window."""

    def offer_state(self, state: CameraState) -> None:
        """A state that has just changed."""

    def offer_preview(self, camera: str, jpeg: bytes) -> None:
        """A picture for people."""


class CameraRuntime:
    """Runs one camera. `start` and `stop` once; `state` from any thread."""

    def __init__(
        self,
        config: CameraConfig,
        streamer: StreamerSettings,
        window: WindowSettings,
        detector: Callable[[], Detector],
        sink: Sink,
        owner: str,
        log: Log,
        clock: Callable[[], float] = time.time,
        ring: PacketRing | None = None,
        hardware: Hardware | None = None,
        calls: Calls | None = None,
    ) -> None:
        self._calls = calls or Calls()
        self.name, self.ring = config.name, ring
        self._config, self._streamer, self._window, self._sink = config, streamer, window, sink
        self._make_detector, self._detector_name = detector, ""
        self._owner, self._clock, self._log = owner, clock, log.bind(camera=config.name)
        self._stop = threading.Event()
        self._context = Context(self._stop, clock, ring, hardware, self._calls, self._waiting)
        self._thread = threading.Thread(
            target=lambda: blame.under(self.name, self._run), name=f"camera-{config.name}", daemon=True
        )
        self._backoff = Backoff(streamer.backoff_s)
        self._throttle = Throttle(clock, LOG_S)
        self._lock, self._offering = threading.Lock(), threading.Lock()
        self._status: CameraStatus = "connecting"
        self._shown: CameraStatus = "connecting"
        self._since, self._error = clock(), ""
        self._live_since: float | None = None
        self._last_frame: float | None = None
        self._reading: Reader | None = None  # until its end has been told
        self._size = (0, 0)
        self._reconnects, self._windows, self._faces = -1, 0, 0
        self._decoded, self._analysed = FpsMeter(), FpsMeter()
        self._freeze = FreezeDetector(streamer.frozen_after_s)
        self._preview_due = float("-inf")

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Return at once; the thread ends soon. Nothing is offered from then on: what was removed stays away."""
        with self._offering:
            self._stop.set()

    def stop(self, timeout_s: float = 1.5) -> bool:
        """Stop; False when the thread is still inside FFmpeg. It then ends by itself and publishes nothing more."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def state(self) -> CameraState:
        """The camera's state now, `frozen` included though its thread may be blocked."""
        with self._lock:
            now = self._clock()
            shown: CameraStatus = self._status
            reading = self._reading
            behind = reading.behind_since if shown == "live" and reading else None
            if shown == "live" and behind is None and self._freeze.frozen(now):
                shown = "frozen"
            if shown != self._shown or now < self._since:  # or the wall clock was set back: as of now, by the new one
                self._shown, self._since = shown, now
            live = shown == "live"
            return CameraState(
                name=self.name,
                state=shown,
                source=self._config.source.name,
                error=f"no new picture for {self._streamer.frozen_after_s:g} s" if shown == "frozen" else self._error,
                since=self._since,
                updated=now,
                last_frame=self._last_frame,
                late_since=behind or UNSET,
                fps=round(self._decoded.rate(now), 2),
                analysed_fps=round(self._analysed.rate(now), 2),
                frame_size=self._size,
                faces=self._faces if live else 0,
                reconnects=max(0, self._reconnects),
                windows=self._windows,
                owner=self._owner,
                detector=self._detector_name,
            )

    def _run(self) -> None:
        try:
            detector = self._make_detector()
        except Exception as error:
            self._log.exception("no detector")
            self._enter("failed", redact(f"{type(error).__name__}: {error}"))
            return
        self._detector_name = detector.name
        analysis = Analysis(self.name, self._config.analysis_fps, detector, self._streamer, self._window, self._clock)
        while not self._stop.is_set():
            wait_s = self._lost(self._session(analysis))
            self._reading = None
            if wait_s is None:
                return
            self._stop.wait(wait_s)

    def _lost(self, failure: SourceError | None) -> float | None:
        """Tell of a failure; after how many seconds the camera is tried again, None where it is not.

        Whoever keeps a failure keeps by its traceback all of the session, 3 MB at 854x480: this ends with the call.
        """
        if failure is None or self._stop.is_set():
            return None
        live_for = self._clock() - self._live_since if self._live_since is not None else 0.0
        self._live_since = None
        wait_s = self._backoff.wait_s(failure.kind, live_for)
        self._enter(failure.kind, str(failure))
        held = self._throttle.admit(failure.kind)
        if held is not None:
            self._log.warning("camera lost", kind=failure.kind, error=str(failure), retry_s=round(wait_s, 2))
        return wait_s

    def _session(self, analysis: Analysis) -> SourceError | None:
        """One connection, from opening to its end; None when a plain file was played to its end or we were stopped."""
        analysis.interrupt()
        try:
            with foreign.reader(self._config.source, self._context) as reader:
                self._reading = reader
                reader.open()
                try:
                    for frame in reader.frames():
                        self._seen(frame)
                        with self._calls.under_way(f"analysing {self.name}"):
                            self._analyse(analysis, frame)
                        if self._stop.is_set():
                            return None
                except av.error.FFmpegError as error:  # not from reading: a frame could not be had from the device
                    reader.blame_device(error)
                    raise
        except SourceError as error:
            return error
        except Exception as error:  # a bug or a decoder's surprise must cost one connection, not the camera
            self._log.error("camera failed", error=redact(f"{type(error).__name__}: {error}"))
            return SourceError("failed", self._config.source.name, type(error).__name__)
        if not self._stop.is_set():
            self._enter("ended", "")
        return None

    def _waiting(self, refused: str) -> None:
        """The reader waits for a publisher; `refused`: why the last one was not let in, if any was."""
        self._enter("waiting", refused, at_once=not refused)  # anybody may knock, as often as they like
        if refused and self._throttle.admit("refused") is not None:
            self._log.warning("publisher refused", reason=refused)

    def _seen(self, frame: Decoded) -> None:
        with self._lock:
            now = self._clock()
            self._decoded.add(now)
            self._freeze.seen(frame.captured, frame.pts)
            self._last_frame, self._size = frame.captured, frame.size
        if self._live_since is None:
            self._live_since = now
            self._reconnects += 1
            self._enter("live", "")
            self._throttle = Throttle(self._clock, LOG_S)
            self._log.info("camera live", source=self._config.source.name, size=frame.size)

    def _analyse(self, analysis: Analysis, frame: Decoded) -> None:
        sample = analysis.sampler.take(frame.captured, frame.size)
        if sample is None:
            return
        view = frame.view()
        if self.ring is not None:
            keep_picture(self.ring, view, frame.captured)
        windows = analysis.analyse(sample, view, hurry=frame.lag > HURRY_S)
        if self._stop.is_set():
            return
        with self._lock:
            self._analysed.add(self._clock())
            self._faces = len(analysis.sightings)
            self._windows += len(windows)
        for window in windows:
            self._offer(partial(self._sink.offer_window, window))
        if self._streamer.preview_fps and not 0 < self._preview_due - frame.captured <= 1 / self._streamer.preview_fps:
            self._preview_due = frame.captured + 1 / self._streamer.preview_fps
            self._offer(partial(self._sink.offer_preview, self.name, preview(view, analysis.sightings)))

    def _enter(self, status: CameraStatus | SourceErrorKind, error: str, at_once: bool = True) -> None:
        """`at_once`: tell of it now, and not only when the states are told again, which is each second."""
        with self._lock:
            changed = (status, error) != (self._status, self._error)
            self._status, self._error = status, error
        if changed and at_once:
            self._offer(lambda: self._sink.offer_state(self.state()))

    def _offer(self, offer: Callable[[], None]) -> None:
        with self._offering:
            if not self._stop.is_set():
                offer()
