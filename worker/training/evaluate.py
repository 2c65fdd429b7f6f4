"""How good a detector is on faces it has never seen, and how well a linear model on blur does beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from worker.calibration import probabilities
from worker.model import Detector
from worker.preprocess import Image, centre_cut, normalise
from worker.training.blend import blend
from worker.training.data import Pack
from worker.training.degrade import Cut, Degradation, draw, h264
from worker.training.metrics import Array, Figure, auc, auc_figure, probe_scores, share_figure, shortcuts

SWAP_SOURCES = ("DeepFaceLive", "DFDC", "cfosco", "ghost", "faceswapWHU", "GenConViT")
REAL_ONLY = ("LivePortrait", "V-Express")  # their real clips stand beside the swaps
VIDEO_CRF, VIDEO_PX = 28, 168  # what the blends of dev clips go through before they are scored
QUICK_GROUPS, QUICK_STILLS = 150, 80


class Windows(NamedTuple):
    """Scored windows: their crops, labels, and the clip (or group) and source each belongs to."""

    crops: list[list[Image]]
    labels: npt.NDArray[np.int64]
    groups: list[str]
    sources: list[str]
    margins: list[float]


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


def blended_set(pack: Pack, rows: list[int], coarse: bool, seed: int = 7) -> tuple[list[Image], npt.NDArray[np.int64]]:
    """The real crops `rows` followed by a self-blend of each, the same for the same seed; labels beside them."""
    reals, fakes = [], []
    for number, index in enumerate(rows):
        image, points = np.asarray(pack.crops[index]), pack.rows[index].points
        if points is None:
            continue
        fake, _ = blend(image, points, np.random.default_rng((seed, number)), coarse)
        reals.append(image)
        fakes.append(fake)
    return reals + fakes, np.repeat([0, 1], len(reals)).astype(np.int64)


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
def window_logits(detector: Detector, windows: Windows) -> Array:
    """Logits of windows, each through the encoder and the temporal head."""
    out = []
    for crops, margin in zip(windows.crops, windows.margins, strict=True):
        out.append(float(detector.head(features_of(detector, crops, margin).unsqueeze(0))))
    return np.array(out)


def dfdc_windows(pack: Pack, split: str, fakes_per_group: int = 5) -> Windows:
    """Single-frame windows of DFDC crops: every real and up to `fakes_per_group` fakes of each group of `split`."""
    crops, labels, groups = [], [], []
    for group, (reals, fakes) in pack.groups(split).items():  # type: ignore[arg-type]
        for index in [*reals, *fakes[:fakes_per_group]]:
            crops.append([pack.crops[index]])
            labels.append(pack.rows[index].label)
            groups.append(group)
    return Windows(crops, np.array(labels), groups, ["DFDC"] * len(crops), [pack.rows[0].margin] * len(crops))


def clip_windows(pack: Pack, split: str, frames: int = 8) -> Windows:
    """The runs of consecutive crops packed from clips; runs with fewer than `frames` crops are left out."""
    runs: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index in pack.where(split):  # type: ignore[arg-type]
        runs[pack.rows[index].name, pack.rows[index].window].append(index)
    kept = [members for members in runs.values() if len(members) >= frames]
    rows = [pack.rows[members[0]] for members in kept]
    crops = [[pack.crops[index] for index in members] for members in kept]
    labels = np.array([row.label for row in rows], np.int64)
    names, sources, margins = ([getattr(row, field) for row in rows] for field in ("name", "source", "margin"))
    return Windows(crops, labels, names, sources, margins)


def blended_clips(pack: Pack, split: str, coarse: bool, seed: int = 7) -> Windows:
    """Real clips' first runs and a self-blend of each, the same blend in all frames, both through the video codec."""
    runs: dict[str, list[int]] = defaultdict(list)
    for index in pack.where(split, 0):  # type: ignore[arg-type]
        if pack.rows[index].window == 0:
            runs[pack.rows[index].name].append(index)
    crops, labels, groups, sources = [], [], [], []
    for number, (name, members) in enumerate(sorted(runs.items())):
        for label in (0, 1):
            frames = []
            for index in members:
                image, points = np.asarray(pack.crops[index]), pack.rows[index].points
                if label and points is not None:
                    image, _ = blend(image, points, np.random.default_rng((seed, number)), coarse)
                frames.append(image)
            crops.append(through_video(frames))
            labels.append(label)
            groups.append(name)
            sources.append(pack.rows[members[0]].source)
    return Windows(crops, np.array(labels), groups, sources, [pack.rows[0].margin] * len(crops))


def through_video(frames: list[Image]) -> list[Image]:
    """Frames as a camera's H.264 stream would show them, a key frame every 12."""
    whole = Cut(0.5, 0.5, 1.0, False)
    return h264([whole.apply(frame, VIDEO_PX) for frame in frames], VIDEO_CRF, group=12)


def still_windows(pack: Pack, rows: list[int], kind: str, frames: int, seed: int) -> Windows:
    """Windows made of one crop each: small shifts, one degradation. `kind` is as-is, subtle or coarse (blends)."""
    crops, groups, labels, sources = [], [], [], []
    for number, index in enumerate(rows):
        row, image = pack.rows[index], np.asarray(pack.crops[index])
        rng = np.random.default_rng((seed, number))
        if kind != "as-is":
            if row.points is None:
                continue
            image, _ = blend(image, row.points, rng, kind == "coarse")
        crops.append(_jittered(image, draw(rng, 96, 200), frames, np.random.default_rng((seed, number, 1))))
        groups.append(row.group)
        labels.append(int(kind != "as-is" or row.label == 1))
        sources.append(row.source)
    return Windows(crops, np.array(labels, np.int64), groups, sources, [pack.rows[0].margin] * len(crops))


def _jittered(image: Image, plan: Degradation, frames: int, rng: np.random.Generator) -> list[Image]:
    out = []
    for number in range(frames):
        x, y = 0.5 + rng.uniform(-0.02, 0.02, 2)
        cut = Cut(float(x), float(y), float(rng.uniform(0.95, 1.0)), False)
        noisy = msgspec.structs.replace(plan, seed=number)
        out.append(noisy.after_codec(noisy.before_codec(cut.apply(image, plan.native))))
    return out


def probe(windows: Windows) -> Array:
    """Out-of-fold scores of the linear model on size, blur and high-frequency energy, one middle crop a window."""
    features = [shortcuts(centre_cut(np.asarray(crops[len(crops) // 2]), 0.65, 96)) for crops in windows.crops]
    return probe_scores(np.array(features), windows.labels, windows.groups)


def by_clip(windows: Windows, scores: Array) -> tuple[Array, npt.NDArray[np.int64], list[str], list[str]]:
    """Mean score, label, name and source of each clip."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(windows.groups):
        members[group].append(index)
    names = sorted(members)
    means = np.array([scores[members[name]].mean() for name in names])
    labels = np.array([windows.labels[members[name][0]] for name in names], np.int64)
    return means, labels, names, [windows.sources[members[name][0]] for name in names]


def result(scores: Array, probed: Array, labels: npt.NDArray[np.int64], groups: list[str]) -> Result:
    """AUC of scores and of the probe's, with intervals by group."""
    figures = (auc_figure(scores, labels, groups), auc_figure(probed, labels, groups))
    return Result(*figures, items=len(labels), groups=len(set(groups)))


def judge(detector: Detector, windows: Windows, clips: bool = False) -> Result:
    """How `windows` are told apart; with `clips`, the windows of a clip count as one item with their mean score."""
    scores, probed = window_logits(detector, windows), probe(windows)
    if not clips:
        return result(scores, probed, windows.labels, windows.groups)
    means, labels, names, _ = by_clip(windows, scores)
    return result(means, by_clip(windows, probed)[0], labels, names)


def report(detector: Detector, packs: dict[str, Pack]) -> dict[str, Result]:
    """Every evaluation set of the model card, on packs named dfdc, stills and dev."""
    stills, dev = packs["stills"], clip_windows(packs["dev"], "dev")
    held = stills.where("held")
    found = {"dfdc_frames": judge(detector, dfdc_windows(packs["dfdc"], "held"))}
    for kind in ("subtle", "coarse"):
        pairs = [still_windows(stills, held, as_is, 4, seed=11) for as_is in ("as-is", kind)]
        found[f"{kind}_stills"] = judge(detector, joined(pairs))
        found[f"{kind}_clips"] = judge(detector, blended_clips(packs["dev"], "dev", kind == "coarse"))
    found["dev_all"] = judge(detector, dev, clips=True)
    swaps = [i for i, source in enumerate(dev.sources) if source in SWAP_SOURCES or _real_beside(dev, i)]
    found["dev_swaps"] = judge(detector, picked(dev, swaps), clips=True)
    return found


def _real_beside(windows: Windows, index: int) -> bool:
    return windows.sources[index] in REAL_ONLY and windows.labels[index] == 0


def joined(parts: Sequence[Windows]) -> Windows:
    """Several sets of windows as one."""
    return Windows(
        [crops for part in parts for crops in part.crops],
        np.concatenate([part.labels for part in parts]),
        [group for part in parts for group in part.groups],
        [source for part in parts for source in part.sources],
        [margin for part in parts for margin in part.margins],
    )


def picked(windows: Windows, which: list[int]) -> Windows:
    """Some of the windows."""
    return Windows(
        [windows.crops[i] for i in which],
        windows.labels[which],
        [windows.groups[i] for i in which],
        [windows.sources[i] for i in which],
        [windows.margins[i] for i in which],
    )


def alarms(detector: Detector, windows: Windows, temperature: float, fake: float) -> Figure:
    """Share of real windows that get the verdict `fake`, with its interval by clip."""
    real = picked(windows, [int(i) for i in np.flatnonzero(windows.labels == 0)])
    return share_figure(probabilities(window_logits(detector, real), temperature) >= fake, real.groups)
