"""Clips around alerts: a thread that waits for the video after each, makes the file, and keeps it.

It has the lowest claim on the processor, and no more than `MOST` clips in hand; what is beyond has no clip.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

import av.error
import redis

from streamer import blame, mp4
from streamer.mp4 import Stopped
from streamer.ring import Kept, PacketRing
from wire.messages import Clip
from wire.settings import AlertSettings
from wire.telemetry import Log, Throttle

MOST = 4
LATE_S = 3.0  # after which the video that is still missing is not waited for
NICE = 10


@dataclass(frozen=True, slots=True)
class Job:
    """A clip to be made: from `begin` to `end`, out of what was in the ring when the alert came and what came since."""

    alert: str
    camera: str
    begin: float
    end: float
    ring: PacketRing
    held: Sequence[Kept]

    def due(self, now: float) -> bool:
        """Whether all of its video is there, or will not come any more: it is late, or the clock was set back."""
        newest = self.ring.newest
        return (newest is not None and newest > self.end) or not self.begin <= now < self.end + LATE_S

    def packets(self) -> list[Kept]:
        """What the clip is made of, in decoding order. A reconnect in between leaves a gap, or its end."""
        newer = [kept for kept in self.ring.since(self.begin) if not self.held or kept.number > self.held[-1].number]
        both = [*self.held, *newer]
        within = [index for index, kept in enumerate(both) if kept.captured is not None and kept.captured <= self.end]
        return both[: within[-1] + 1] if within else []


def job(alert: str, camera: str, at: float, ring: PacketRing, settings: AlertSettings) -> Job:
    """The clip around the moment `at`, with the video before it taken hold of."""
    begin = at - settings.clip_before_s
    return Job(alert, camera, begin, at + settings.clip_after_s, ring, ring.since(begin))


class ClipMaker:
    """The thread that makes the files. `offer` and `collect` belong to another, which calls `collect` often.

    `keep` puts a clip where it is kept; it may raise redis.RedisError.
    """

    def __init__(self, keep: Callable[[Clip], None], log: Log, clock: Callable[[], float]) -> None:
        self.skipped = 0  # alerts without a clip because too many were in hand
        self._keep, self._log, self._clock = keep, log, clock
        self._throttle = Throttle(clock)
        self._waiting: list[Job] = []  # for the video after the alert
        self._ready: SimpleQueue[tuple[Job, list[Kept]] | None] = SimpleQueue()
        self._busy = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Return at once; clips in hand are given up."""
        self._stop.set()
        self._ready.put(None)

    def stop(self, timeout_s: float) -> bool:
        """Stop; False when the thread is still inside FFmpeg."""
        self.ask_to_stop()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def offer(self, job: Job) -> None:
        """Make this clip, unless too many are in hand already."""
        if len(self._waiting) + self._ready.qsize() + self._busy < MOST:
            self._waiting.append(job)
            return
        self.skipped += 1
        if self._throttle.admit("many") is not None:
            self._log.warning("too many clips at once: picture only", camera=job.camera, skipped=self.skipped)

    def collect(self) -> None:
        """Take hold of the video of clips whose time has come, before the ring forgets it."""
        for job in [job for job in self._waiting if job.due(self._clock())]:
            self._waiting.remove(job)
            self._ready.put((job, job.packets()))

    def _run(self) -> None:
        lower_priority()
        while (ready := self._ready.get()) is not None and not self._stop.is_set():
            self._busy = True
            self._make(*ready)
            self._busy = False

    def _make(self, job: Job, packets: list[Kept]) -> None:
        try:
            made = blame.under(job.camera, lambda: mp4.make(packets, self._stop.is_set))
            if made is None:
                self._no_clip(job, "no video of that time, or too large")
                return
            self._keep(
                Clip(
                    alert=job.alert,
                    started=made.started,
                    ended=made.ended,
                    codec="h264",
                    as_received=made.as_received,
                    mp4=made.mp4,
                )
            )
        except Stopped:
            return
        except (av.error.FFmpegError, redis.RedisError, ValueError, OSError) as error:
            self._no_clip(job, type(error).__name__)
        except Exception:  # a bug must cost one clip, not all
            self._log.exception("clip failed", camera=job.camera)

    def _no_clip(self, job: Job, reason: str) -> None:
        held = self._throttle.admit("none")
        if held is not None:
            self._log.warning("alert without a clip", camera=job.camera, reason=reason, lines_held_back=held)


def lower_priority() -> None:
    """The calling thread gives way to all others, where threads have priorities of their own and this is allowed."""
    if sys.platform == "linux":
        me = threading.get_native_id()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, me, max(NICE, os.getpriority(os.PRIO_PROCESS, me)))
