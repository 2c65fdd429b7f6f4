"""How good a detector is on faces it has never seen, and how well a linear model on blur does beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from worker.calibration import probabilities
from worker.model import Detector
from worker.preprocess import Image, centre_cut, normalise
from worker.training.data import Pack
from worker.training.metrics import Array, Figure, auc, auc_figure, probe_scores, share_figure, shortcuts
from worker.training.sets import (
    Windows,
    blended_clips,
    blended_set,
    by_clip,
    clip_windows,
    dfdc_windows,
    joined,
    picked,
    still_windows,
)

SWAP_SOURCES = ("DeepFaceLive", "DFDC", "cfosco", "ghost", "faceswapWHU", "GenConViT")
REAL_ONLY = ("LivePortrait", "V-Express")  # their real clips stand beside the swaps
QUICK_GROUPS, QUICK_STILLS = 150, 80
STILL_FRAMES = 2  # of a window made of a still: they share their picture


class Result(msgspec.Struct, frozen=True):
    """One evaluation set: AUC of the detector, of the shortcut probe, and how many items and groups."""

    auc: Figure
    probe: Figure
    items: int
    groups: int


@torch.inference_mode()
def features_of(detector: Detector, crops: Sequence[Image], margin: float, chunk: int = 32) -> torch.Tensor:
    """Features (N, D) of crops cut at `margin`, through the serving path's cut, resize and normalisation."""
    config = detector.config
    out = []
    for start in range(0, len(crops), chunk):
        some = crops[start : start + chunk]
        images = [centre_cut(np.asarray(crop), config.crop_margin / margin, config.input_size) for crop in some]
        out.append(detector.encode(normalise(images, config).contiguous(memory_format=torch.channels_last)))
    return torch.cat(out) if out else torch.empty(0, config.feature_dim)


@torch.inference_mode()
def frame_logits(detector: Detector, crops: Sequence[Image], margin: float) -> Array:
    """Logits (N) of single crops, each a window of one frame."""
    logits = detector.head(features_of(detector, crops, margin).unsqueeze(1))
    return logits.double().numpy()


def quick(detector: Detector, dfdc: Pack, stills: Pack) -> dict[str, float]:
    """Learning-curve figures: frame AUC on calibration groups, and on blends of people held out."""
    pairs = [members for members in dfdc.groups("calibration").values() if all(members)][:QUICK_GROUPS]
    crops = [dfdc.crops[side[0]] for side in zip(*pairs, strict=True) for side in side]
    labels = np.repeat([0, 1], len(pairs)).astype(np.int64)
    found = {"auc_dfdc": auc(frame_logits(detector, crops, dfdc.rows[0].margin), labels)}
    held = stills.where("held")[:QUICK_STILLS]
    for coarse in (False, True):
        images, marks = blended_set(stills, held, coarse)
        scores = frame_logits(detector, images, stills.rows[0].margin)
        found["auc_coarse" if coarse else "auc_subtle"] = auc(scores, marks)
    return {name: round(value, 4) for name, value in found.items()}


@torch.inference_mode()
def window_features(detector: Detector, windows: Windows) -> list[torch.Tensor]:
    """Features (T, D) of every window; the crops of many windows are encoded together."""
    out: list[torch.Tensor] = [torch.empty(0)] * len(windows.crops)
    for margin in sorted(set(windows.margins)):
        which = [i for i, value in enumerate(windows.margins) if value == margin]
        encoded = features_of(detector, [crop for i in which for crop in windows.crops[i]], margin)
        parts = torch.split(encoded, [len(windows.crops[i]) for i in which])
        for i, part in zip(which, parts, strict=True):
            out[i] = part
    return out


@torch.inference_mode()
def window_logits(detector: Detector, windows: Windows) -> Array:
    """Logits of windows, each through the encoder and the temporal head."""
    features = window_features(detector, windows)
    return np.array([float(detector.head(part.unsqueeze(0))) for part in features])


def probe(windows: Windows) -> Array:
    """Out-of-fold scores of the linear model on size, blur and high-frequency energy, one middle crop a window."""
    features = [shortcuts(centre_cut(np.asarray(crops[len(crops) // 2]), 0.65, 96)) for crops in windows.crops]
    return probe_scores(np.array(features), windows.labels, windows.groups)


class Scored(NamedTuple):
    """Windows with their logits and the probe's scores."""

    windows: Windows
    logits: Array
    probed: Array

    def result(self, clips: bool = False, which: list[int] | None = None) -> Result:
        """How well they are told apart; with `clips`, a clip counts once, with the mean of its windows."""
        chosen = list(range(len(self.logits))) if which is None else which
        windows, logits, probed = picked(self.windows, chosen), self.logits[chosen], self.probed[chosen]
        labels, groups = windows.labels, windows.groups
        if clips:
            probed = by_clip(windows, probed)[0]
            logits, labels, groups, _ = by_clip(windows, logits)
        figures = (auc_figure(logits, labels, groups), auc_figure(probed, labels, groups))
        return Result(*figures, items=len(labels), groups=len(set(groups)))


def scored(detector: Detector, windows: Windows) -> Scored:
    """Windows through the detector and through the probe."""
    return Scored(windows, window_logits(detector, windows), probe(windows))


def report(detector: Detector, packs: dict[str, Pack]) -> dict[str, Result]:
    """Every evaluation set of the model card, on packs named dfdc, stills and dev."""
    stills, held = packs["stills"], packs["stills"].where("held")
    found = {"dfdc_frames": scored(detector, dfdc_windows(packs["dfdc"], "held")).result()}
    for kind in ("subtle", "coarse"):
        pairs = joined([still_windows(stills, held, which, STILL_FRAMES, seed=11) for which in ("as-is", kind)])
        found[f"{kind}_stills"] = scored(detector, pairs).result()
        found[f"{kind}_clips"] = scored(detector, blended_clips(packs["dev"], "dev", kind == "coarse")).result()
    dev = scored(detector, clip_windows(packs["dev"], "dev"))
    swaps = [
        i for i, source in enumerate(dev.windows.sources) if source in SWAP_SOURCES or _real_beside(dev.windows, i)
    ]
    found["dev_all"] = dev.result(clips=True)
    found["dev_swaps"] = dev.result(clips=True, which=swaps)
    return found


def _real_beside(windows: Windows, index: int) -> bool:
    return windows.sources[index] in REAL_ONLY and windows.labels[index] == 0


def alarms(detector: Detector, windows: Windows, temperature: float, fake: float) -> Figure:
    """Share of real windows that get the verdict `fake`, with its interval by clip."""
    real = picked(windows, [int(i) for i in np.flatnonzero(windows.labels == 0)])
    return share_figure(probabilities(window_logits(detector, real), temperature) >= fake, real.groups)
