"""One video through the serving path: the streamer's windows, the worker's scores, and what they say of the whole."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

import msgspec

from streamer.models import Choice
from streamer.scan import STILLS, windows_of_file, windows_of_still
from unmask.evaluate.cache import WindowCache
from unmask.evaluate.items import Item
from unmask.scoring import scored
from wire.messages import Score, Verdict, Window
from wire.settings import Settings
from worker.calibration import probability
from worker.features import FrameId
from worker.preprocess import centre_cut, decode
from worker.scorer import Scorer
from worker.training.metrics import PROBE_PX, PROBE_SHARE, shortcuts
from worker.verdict import verdict

STRIP = 6  # crops that are kept of a video, for the report


class Video(msgspec.Struct, frozen=True, kw_only=True):
    """What the serving path says of a video. Without any face in it there is no score."""

    item: Item
    scores: list[Score] = []
    frames: list[float] = []  # logits of single frames of the main faces
    shortcuts: list[float] | None = None  # means over the main faces' windows: log face size, blur, energy, ...
    score: float | None = None  # logit
    p_fake: float | None = None
    verdict: Verdict | Literal["no-face"] = "no-face"
    strip: list[bytes] = []  # JPEG crops of the face that decided

    @property
    def covered(self) -> bool:
        """Whether the verdict rests on windows that were good enough."""
        return self.verdict not in ("no-face", "unsure")


class Outcome(NamedTuple):
    """The faces that count, and the one that decides: its track, its mean logit, and whether its windows were sure."""

    main: frozenset[str]
    track: str
    score: float
    sure: bool


def find(item: Item, settings: Settings, choice: Choice, cache: WindowCache) -> list[Window]:
    """The item's windows, from the cache or by analysis. Raises SourceError, OSError."""
    place = cache.path(item)
    windows = cache.get(place)
    if windows is None:
        if item.path.suffix.lower() in STILLS:
            windows = list(windows_of_still(item.path, settings, choice, item.cut))
        else:
            windows = list(windows_of_file(item.path, settings, choice=choice, cut=item.cut))
        cache.put(place, windows)
    return windows


def judge(item: Item, windows: Iterable[Window], scorer: Scorer, keep_strip: bool = False) -> Video:
    """Score the windows and the video. Raises Unscorable."""
    scores: list[Score] = []
    frames: dict[FrameId, float] = {}
    weights: dict[str, float] = defaultdict(float)
    probes: dict[str, list[list[float]]] = defaultdict(list)
    crops: dict[str, list[bytes]] = defaultdict(list)
    for batch in scored(scorer, windows):
        scores += batch.scores
        frames.update(zip(batch.fresh, scorer.frame_logits(list(batch.fresh.values())), strict=True))
        for window in batch.windows:
            middle = window.frames[len(window.frames) // 2].jpeg
            weights[window.track] += len(window.frames) / scorer.config.frames
            probes[window.track].append(probe_features(window.quality.face_px, middle))
            crops[window.track].append(middle)
    if not scores:
        return Video(item=item)
    outcome = decide(scores, weights)
    p_fake = probability(outcome.score, scorer.temperature)
    return Video(
        item=item,
        scores=scores,
        frames=[logit for (_, track, _), logit in frames.items() if track in outcome.main],
        shortcuts=[fmean(column) for column in zip(*(row for t in outcome.main for row in probes[t]), strict=True)],
        score=outcome.score,
        p_fake=p_fake,
        verdict=verdict(p_fake, scorer.suspect, scorer.fake) if outcome.sure else "unsure",
        strip=spread(crops[outcome.track], STRIP) if keep_strip else [],
    )


def decide(scores: Sequence[Score], weights: Mapping[str, float]) -> Outcome:
    """The highest mean logit of the main faces: those with at least half as many windows as the longest.

    `weights` are a track's windows, a short one counted for the part of a window that it is. A mean is over the windows
    that are not `unsure` if there are any, and a face that has such windows goes before one that has none.
    """
    longest = max(weights.values())
    main = frozenset(track for track, weight in weights.items() if 2 * weight >= longest)
    by_track: dict[str, list[float]] = defaultdict(list)
    sure: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        if score.track in main:
            by_track[score.track].append(score.logit)
            if score.verdict != "unsure":
                sure[score.track].append(score.logit)
    means = {track: fmean(logits) for track, logits in (sure or by_track).items()}
    track = max(means, key=means.__getitem__)
    return Outcome(main, track, means[track], bool(sure))


def probe_features(face_px: float, jpeg: bytes) -> list[float]:
    """What a lazy detector could go by in one crop: the face's size, blur, high-frequency energy, light, contrast."""
    return [math.log(max(1.0, face_px)), *shortcuts(centre_cut(decode(jpeg), PROBE_SHARE, PROBE_PX))]


def spread(crops: Sequence[bytes], count: int) -> list[bytes]:
    """At most `count` of the crops, evenly from the first to the last."""
    if len(crops) <= count:
        return list(crops)
    return [crops[round(place * (len(crops) - 1) / (count - 1))] for place in range(count)]
