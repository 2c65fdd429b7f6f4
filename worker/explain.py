"""Explains alerts that have just opened, a piece at a time, so that scoring never waits for more than one piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import cast

import redis

from wire import evidence
from wire.evidence import EvidenceStore
from wire.guest import said
from wire.keys import Keys
from wire.messages import FACES, Alert, AlertEvent, CameraState, Evidence, Explanation
from wire.settings import AlertSettings
from wire.telemetry import Log, Throttle
from worker.features import Feature
from worker.occlusion import covered, falls
from worker.preprocess import Pixels
from worker.scorer import Scorer
from worker.sheets import contact_sheet, heat_map

MOST = 8  # alerts that wait; when many open at once, the later go without
PATIENCE_S = 3.0  # a job that has waited this long gets its pieces though there are windows to score


@dataclass
class Job:
    """One alert on its way to an explanation."""

    alert: Alert
    since: float
    kept: Evidence | None = None
    scores: tuple[float, ...] = ()
    peak: int = 0
    waiting: list[Pixels] = field(default_factory=list)  # images that are not encoded yet, in pieces
    features: list[Feature] = field(default_factory=list)


class Explainer:
    """A short queue of alerts. `step` raises redis.RedisError, and goes on at the same place when called again."""

    def __init__(
        self,
        bus: redis.Redis,
        keys: Keys,
        settings: AlertSettings,
        scorer: Scorer,
        shift: Callable[[str], float],
        clock: Callable[[], float],
        log: Log,
    ) -> None:
        self._bus, self._keys, self._scorer, self._shift = bus, keys, scorer, shift
        self._store = EvidenceStore(keys, settings)
        self._clock, self._log, self._throttle = clock, log, Throttle(clock)
        self._jobs: deque[Job] = deque()

    def take(self, events: Iterable[AlertEvent]) -> None:
        """Remember the alerts of faces that have just opened."""
        for event in events:
            if event.event != "new" or event.alert.kind not in FACES:
                continue
            if len(self._jobs) < MOST:
                self._jobs.append(Job(event.alert, self._clock()))
            elif self._throttle.admit("full") is not None:
                self._log.warning("too many alerts at once: some go without a heat map", waiting=MOST)

    @property
    def overdue(self) -> bool:
        """Whether an alert has waited long enough for scoring to give way."""
        return bool(self._jobs) and not 0 <= self._clock() - self._jobs[0].since < PATIENCE_S

    def step(self) -> bool:
        """Do one piece: encode one chunk of images at most. Whether there was something to do."""
        if not self._jobs:
            return False
        job = self._jobs[0]
        try:
            done = self._advance(job)
        except (ValueError, RuntimeError) as error:  # a crop that is no picture, or the device fails (out of memory)
            self._log.warning("alert not explained", alert=job.alert.id, error=said(error))
            done = True
        if done:
            self._jobs.popleft()
        return True

    def _advance(self, job: Job) -> bool:
        if job.kept is None:
            parts = cast("dict[bytes, bytes]", self._bus.hgetall(self._keys.evidence(job.alert.id)))
            job.kept = evidence.read(parts, Evidence)
            if job.kept is None:
                return True  # it gave way already
            self._queue(job, self._scorer.pixels([frame.jpeg for frame in job.kept.frames], job.kept.margin))
        if job.waiting:
            job.features.extend(self._scorer.encode(job.waiting[0]))
            job.waiting.pop(0)
            return False
        logits = self._scorer.frame_logits(job.features)
        if not job.scores:
            self._find_peak(job, logits)
            return False
        self._finish(job, job.kept, logits)
        return True

    def _queue(self, job: Job, images: Pixels) -> None:
        job.features, chunk = [], self._scorer.chunk
        job.waiting = [images[at : at + chunk] for at in range(0, len(images), chunk)]

    def _find_peak(self, job: Job, logits: list[float]) -> None:
        assert job.kept is not None
        shift = self._shift(job.alert.camera)
        job.scores = tuple(self._scorer.probability(logit + shift) for logit in logits)
        job.peak = max(range(len(logits)), key=logits.__getitem__)
        image = self._scorer.pixels([job.kept.frames[job.peak].jpeg], job.kept.margin)[0]
        self._queue(job, covered(image))

    def _finish(self, job: Job, kept: Evidence, logits: list[float]) -> None:
        grid = falls(logits)
        crop, score = kept.frames[job.peak].jpeg, job.scores[job.peak]
        message = Explanation(
            alert=job.alert.id,
            frame_scores=job.scores,
            peak=job.peak,
            grid=grid,
            heat=heat_map(crop, grid, self._scorer.seen_share(kept.margin), score),
            sheet=contact_sheet(kept, job.alert.camera, job.scores, job.peak),
            camera=self._camera(job.alert.camera),
        )
        self._store.put(self._bus, message, self._clock())

    def _camera(self, name: str) -> CameraState | None:
        return CameraState.read(self._bus.get(self._keys.camera(name)))
