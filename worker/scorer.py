"""Windows to scores: decode, encode what is not cached, temporal head, calibration, verdict. Knows no Redis."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

import msgspec
import numpy as np

from wire.errors import CheckpointError
from wire.messages import Score, Window
from wire.settings import Settings, WorkerSettings
from wire.watchdog import Calls
from worker import checkpoint
from worker.backend import Backend, Half, Mask, open_backend, warm_up
from worker.calibration import probability
from worker.checkpoint import Meta
from worker.encoding import Cropped, Encoder, Encoding, Unscorable
from worker.features import Feature, FrameId, MemoryCache, frame_ids, unique_ids
from worker.model import Detector
from worker.preprocess import Pixels, pixels
from worker.reference import limit
from worker.verdict import doubt, verdict

MARGIN_ERROR = 0.01  # of a margin, from whole pixels
SWAPS = "swaps"  # the metric that the caveat quotes: video AUC on unseen swaps


class Inference(msgspec.Struct, frozen=True):
    """One logit per window, and the features that had to be computed for them."""

    logits: tuple[float, ...]
    fresh: dict[FrameId, Feature]


class Scorer:
    """A checkpoint on a device, for any number of threads. Raises CheckpointError, or ServiceError where the device is
    not there."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        engine: Callable[[Detector, WorkerSettings], Backend] = open_backend,
    ) -> None:
        path = settings.worker.checkpoint or checkpoint.DEFAULT
        model, meta = checkpoint.load(path)
        self.config = meta.config
        if self.config.frames != settings.window.frames:
            raise CheckpointError(
                path,
                f"made for windows of {self.config.frames} frames, window.frames is {settings.window.frames}",
                f"set window.frames to {self.config.frames}, or name another checkpoint",
            )
        seen = settings.window.seen_margin
        if seen < self.config.crop_margin - MARGIN_ERROR:
            raise CheckpointError(
                path,
                f"sees {self.config.crop_margin:g} times the face, windows show {seen:g} times",
                f"set window.view_margin to {self.config.crop_margin:g}, or name another checkpoint",
            )
        self.model = meta.model_id
        self.suspect, self.fake = meta.thresholds.suspect.p, meta.thresholds.fake.p
        self.shift_limit = limit(meta)
        self.temperature, self.caveat = meta.temperature, caveat(meta)
        self._limits = settings.worker.quality
        self._backend = engine(model, settings.worker)
        self.calls = Calls()
        self._encoder = Encoder(self._backend, self.config, self.calls)
        self.window_s: float | None = None  # that a window of new frames takes about, once warmed up
        self._cache, self._clock = MemoryCache(), clock
        self._one_at_a_time = Lock()  # the head, as a backend wants it

    @property
    def device(self) -> str:
        """Where the network runs, for people."""
        return self._backend.name

    @property
    def chunk(self) -> int:
        """Most images that `encode` takes at once."""
        return self._backend.chunk

    def seen_share(self, margin: float) -> float:
        """How much of the side of a crop of this margin the network sees."""
        return min(1.0, self.config.crop_margin / margin)

    def pixels(self, crops: Sequence[bytes], margin: float) -> Pixels:
        """JPEG crops of one margin as the backend's input (N, S, S, 3). Raises ValueError when one is no picture."""
        return pixels(crops, self.config, margin)

    def encode(self, images: Pixels) -> list[Feature]:
        """Features of at most `chunk` images."""
        with self.calls.under_way(f"encoding {len(images)} images"):
            return list(self._backend.encode(images))

    def probability(self, logit: float) -> float:
        """p_fake of a logit."""
        return probability(logit, self.temperature)

    def warm_up(self) -> None:
        """Make the first real batch as fast as the next."""
        self.window_s = warm_up(self._backend, self.config)

    def score(self, windows: Sequence[Window]) -> list[Score]:
        """A score per window, in their order; frames seen before are not encoded again. Raises Unscorable."""
        dequeued = self._clock()
        result = self.infer(windows, self.recall(unique_ids(windows)))
        return [self.judge(window, logit, dequeued) for window, logit in zip(windows, result.logits, strict=True)]

    def recall(self, names: Sequence[FrameId]) -> dict[FrameId, Feature]:
        """Those of `names` that this process has encoded lately."""
        return self._cache.fetch(names)

    def start(self, windows: Sequence[Window], known: Mapping[FrameId, Feature], behind: bool = False) -> Encoding:
        """Begin to encode what is not `known` of `windows`, each frame once however many windows share it; `behind`
        whatever else comes."""
        missing: dict[FrameId, Cropped] = {}
        for window in windows:
            for name, frame in zip(frame_ids(window), window.frames, strict=True):
                if name not in known:
                    missing.setdefault(name, (frame.jpeg, window.margin))
        return self._encoder.start(missing, behind)

    def infer(
        self,
        windows: Sequence[Window],
        known: Mapping[FrameId, Feature],
        abandon: Callable[[], bool] = lambda: False,
        begun: Encoding | None = None,
    ) -> Inference:
        """Logits of `windows`, given the `known` features and what `start` has `begun`; `abandon` is asked meanwhile.

        Raises Unscorable, Abandoned, and whatever the device raises.
        """
        if fault := next(filter(None, map(self._fault, windows)), ""):
            if begun is not None:
                begun.drop()
            raise Unscorable(fault)
        encoding = begun or self.start(windows, known)
        features = {**known, **encoding.features(abandon)}
        fresh = {name: features[name] for name in encoding.new}
        self._cache.keep(fresh)
        stacked = [[features[name] for name in frame_ids(window)] for window in windows]
        logits = self.logits(stacked) if windows else []
        for window, logit in zip(windows, logits, strict=True):
            if not math.isfinite(logit):
                raise Unscorable(f"window {window.id} has a logit of {logit}")
        return Inference(tuple(logits), fresh)

    def _fault(self, window: Window) -> str:
        """Why a window can't be scored whatever its crops are, or ""."""
        if not 0 < len(window.frames) <= self.config.frames:
            return f"window {window.id} has {len(window.frames)} frames, not 1..{self.config.frames}"
        if window.margin < self.config.crop_margin - MARGIN_ERROR:
            return (
                f"window {window.id} shows {window.margin:g} times the face, the network sees "
                f"{self.config.crop_margin:g}: set window.view_margin where the streamer runs"
            )
        return ""

    def frame_logits(self, features: Sequence[Feature]) -> list[float]:
        """Logits of single frames, each as a window of that frame alone."""
        return self.logits([[feature] for feature in features]) if features else []

    def judge(self, window: Window, logit: float, dequeued: float, shift: float = 0.0) -> Score:
        """The calibrated score and verdict of one window, its logit moved by `shift`."""
        p_fake = probability(logit + shift, self.temperature)
        reason = doubt(window.quality, self._limits, len(window.frames), self.config.frames)
        return Score(
            window=window.id,
            camera=window.camera,
            track=window.track,
            epoch=window.epoch,
            seq=window.seq,
            logit=logit,
            p_fake=p_fake,
            verdict="unsure" if reason else verdict(p_fake, self.suspect, self.fake),
            reason=reason,
            quality=window.quality,
            model=self.model,
            box=window.frames[-1].box,
            frame_size=window.frame_size,
            started=window.frames[0].captured,
            captured=window.captured,
            enqueued=window.enqueued,
            dequeued=dequeued,
            scored=self._clock(),
            shift=shift or msgspec.UNSET,
        )

    def logits(self, windows: Sequence[Sequence[Feature]]) -> list[float]:
        """One logit per window; a window shorter than T is padded with zeros that the mask leaves out."""
        shape = (len(windows), self.config.frames)
        stacked: Half = np.zeros((*shape, self.config.feature_dim), np.float16)
        mask: Mask = np.zeros(shape, np.bool_)
        for row, window in enumerate(windows):
            for column, feature in enumerate(window):
                stacked[row, column], mask[row, column] = feature, True
        with self._one_at_a_time, self.calls.under_way(f"scoring {len(windows)} windows"):
            logits: list[float] = self._backend.head(stacked, mask).tolist()
        return logits


def caveat(meta: Meta) -> str:
    """What must be known of a checkpoint before a score of it is trusted, or "" where nothing is."""
    if not meta.thresholds.measured:
        return "nobody measured the false alarms of its thresholds"
    if not meta.baseline:
        return ""
    swaps = meta.metrics.get(SWAPS)
    return f"a baseline, {f'AUC {swaps}' if swaps else 'nobody measured it'} on swaps never trained on"
