"""Evaluation sets: windows of held-out crops and clips, and of blends made from them, always the same for a seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from worker.preprocess import Image
from worker.training.blend import blend
from worker.training.data import Pack, Split
from worker.training.degrade import Cut, Degradation, draw, h264
from worker.training.metrics import Array

VIDEO_CRF, VIDEO_PX = 28, 168  # what the blends of dev clips go through before they are scored


class Windows(NamedTuple):
    """Scored windows: their crops, labels, and the clip (or group) and source each belongs to."""

    crops: list[list[Image]]
    labels: npt.NDArray[np.int64]
    groups: list[str]
    sources: list[str]
    margins: list[float]


def dfdc_windows(pack: Pack, split: Split, fakes_per_group: int = 2) -> Windows:
    """Single-frame windows of DFDC crops: every real and up to `fakes_per_group` fakes of each group of `split`."""
    crops, labels, groups = [], [], []
    for group, (reals, fakes) in pack.groups(split).items():
        for index in [*reals, *fakes[:fakes_per_group]]:
            crops.append([pack.crops[index]])
            labels.append(pack.rows[index].label)
            groups.append(group)
    return Windows(crops, np.array(labels), groups, ["DFDC"] * len(crops), [pack.rows[0].margin] * len(crops))


def clip_windows(pack: Pack, split: Split, frames: int = 8) -> Windows:
    """The runs of consecutive crops packed from clips; runs with fewer than `frames` crops are left out."""
    runs: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index in pack.where(split):
        runs[pack.rows[index].name, pack.rows[index].window].append(index)
    kept = [members for members in runs.values() if len(members) >= frames]
    rows = [pack.rows[members[0]] for members in kept]
    crops = [[pack.crops[index] for index in members] for members in kept]
    labels = np.array([row.label for row in rows], np.int64)
    names, sources, margins = ([getattr(row, field) for row in rows] for field in ("name", "source", "margin"))
    return Windows(crops, labels, names, sources, margins)


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


def blended_clips(pack: Pack, split: Split, coarse: bool, seed: int = 7) -> Windows:
    """Real clips' first runs and a self-blend of each, the same blend in all frames, both through the video codec."""
    runs: dict[str, list[int]] = defaultdict(list)
    for index in pack.where(split, 0):
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
        plan = draw(np.random.default_rng((seed, number, 1)), 96, 200)  # the same for a crop and its blend
        crops.append(_jittered(image, plan, frames))
        groups.append(row.group)
        labels.append(int(kind != "as-is" or row.label == 1))
        sources.append(row.source)
    return Windows(crops, np.array(labels, np.int64), groups, sources, [pack.rows[0].margin] * len(crops))


def _jittered(image: Image, plan: Degradation, frames: int) -> list[Image]:
    """`frames` pictures of one face that moves a little, all with the same degradation but their own noise."""
    out = []
    rng = np.random.default_rng(plan.seed)
    for number in range(frames):
        x, y = 0.5 + rng.uniform(-0.02, 0.02, 2)
        cut = Cut(float(x), float(y), float(rng.uniform(0.95, 1.0)), False)
        noisy = msgspec.structs.replace(plan, seed=number)
        out.append(noisy.after_codec(noisy.before_codec(cut.apply(image, plan.native))))
    return out


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


def by_clip(windows: Windows, scores: Array) -> tuple[Array, npt.NDArray[np.int64], list[str], list[str]]:
    """Mean score, label, name and source of each clip."""
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(windows.groups):
        members[group].append(index)
    names = sorted(members)
    means = np.array([scores[members[name]].mean() for name in names])
    labels = np.array([windows.labels[members[name][0]] for name in names], np.int64)
    return means, labels, names, [windows.sources[members[name][0]] for name in names]
