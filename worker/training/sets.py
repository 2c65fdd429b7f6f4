"""Windows of stored faces: held-out crops, runs of crops, and fakes made of them; the same for the same seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from worker.preprocess import Image
from worker.training.blend import blend
from worker.training.degrade import draw_stream
from worker.training.drive import driven, still_to_clip, trembling
from worker.training.metrics import Array
from worker.training.store import Pack, Points, Split

Kind = Literal["as-is", "subtle", "coarse"]
STILL_FRAMES = 2  # of a measured window made of one crop: they share their picture
KEPT = 0.96  # of a still's side, in each frame of a window made of it
MOST_BLENDS = 600  # faces: more would only narrow the interval


class Windows(NamedTuple):
    """Windows to be scored: their crops, labels, and the clip (or group) and source each belongs to."""

    crops: list[list[Image]]
    labels: npt.NDArray[np.int64]
    groups: list[str]
    sources: list[str]
    margins: list[float]


def crop_windows(pack: Pack, split: Split, fakes_per_group: int = 2) -> Windows:
    """Single-frame windows: every real and up to `fakes_per_group` fakes of each group of `split` that has both."""
    crops, labels, groups, sources, margins = [], [], [], [], []
    for group, (reals, fakes) in pack.groups(split).items():
        for index in [*reals, *fakes[:fakes_per_group]] if reals and fakes else []:
            row = pack.rows[index]
            crops.append([np.asarray(pack.crops[index])])
            labels.append(row.label)
            groups.append(group)
            sources.append(row.source)
            margins.append(row.margin)
    return Windows(crops, np.array(labels, np.int64), groups, sources, margins)


def clip_windows(pack: Pack, split: Split, frames: int = 8) -> Windows:
    """The runs of consecutive crops packed from clips; runs with fewer than `frames` crops are left out."""
    kept = [members for members in _runs(pack, split).values() if len(members) >= frames]
    rows = [pack.rows[members[0]] for members in kept]
    crops = [[np.asarray(pack.crops[index]) for index in members] for members in kept]
    labels = np.array([row.label for row in rows], np.int64)
    return Windows(crops, labels, [r.name for r in rows], [r.source for r in rows], [r.margin for r in rows])


def _runs(pack: Pack, split: Split, label: int | None = None) -> dict[tuple[str, int], list[int]]:
    runs: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index in pack.where(split, label):
        runs[pack.rows[index].name, pack.rows[index].window].append(index)
    return dict(runs)


def blended_windows(packs: Sequence[Pack], kind: Kind, split: Split = "held", seed: int = 11) -> Windows:
    """Held faces that have surroundings and landmarks, each as it is and blended into itself, degraded alike."""
    faces = [(p, i) for p in packs for i in p.where(split, 0) if p.rows[i].points and p.rows[i].margin > 1]
    chosen = sorted(np.random.default_rng(seed).permutation(len(faces))[:MOST_BLENDS])
    parts = []
    for pack in packs:
        rows = [faces[k][1] for k in chosen if faces[k][0] is pack]
        parts += [still_windows(pack, rows, which, STILL_FRAMES, seed) for which in ("as-is", kind)]
    return joined(parts)


def still_windows(pack: Pack, rows: list[int], kind: Kind, frames: int, seed: int) -> Windows:
    """Windows made of one crop each: small shifts, one degradation, the same for a crop and its blend."""
    crops, groups, labels, sources, margins = [], [], [], [], []
    for number, index in enumerate(rows):
        row, image = pack.rows[index], np.asarray(pack.crops[index])
        rng = np.random.default_rng((seed, number))
        if kind != "as-is":
            if row.points is None:
                continue
            image, _ = blend(image, row.points, rng, kind == "coarse")
        same = np.random.default_rng((seed, number, 1))
        crops.append(draw_stream(same, frames).apply(_jittered(image, frames, same)))
        groups.append(row.group)
        labels.append(int(kind != "as-is" or row.label == 1))
        sources.append(row.source)
        margins.append(row.margin)
    return Windows(crops, np.array(labels, np.int64), groups, sources, margins)


def _jittered(image: Image, frames: int, rng: np.random.Generator) -> list[Image]:
    """`frames` pictures of a face that moves a little: nearly all of it, cut at whole pixels, which blurs nothing."""
    whole = image.shape[0]
    side = round(KEPT * whole)
    places = rng.integers(0, whole - side + 1, (frames, 2))
    return [np.ascontiguousarray(image[y : y + side, x : x + side]) for x, y in places]


def moving_windows(packs: Sequence[Pack], split: Split, count: int, frames: int, seed: int) -> Windows:
    """Pairs of real windows and their self-driven or trembling fakes: half of stills set in motion, half of clips."""
    rng = np.random.default_rng(seed)
    faces = [(p, i) for p in packs for i in p.where(split, 0) if p.rows[i].points and p.rows[i].margin > 1]
    runs = [(p, run) for p in packs for run in _runs(p, split, 0).values() if len(run) >= frames]
    crops, labels, groups, sources, margins = [], [], [], [], []
    for number in range(count):
        if runs and (number % 2 or not faces):
            pack, run = runs[int(rng.integers(len(runs)))]
            index = run[0]
            real = [np.asarray(pack.crops[i]) for i in run[:frames]]
            points: list[Points] = [pack.rows[i].points or () for i in run[:frames]]
            if not all(points):
                continue
        elif faces:
            pack, index = faces[int(rng.integers(len(faces)))]
            real, points = still_to_clip(np.asarray(pack.crops[index]), pack.rows[index].points or (), frames, rng)
        else:
            break
        fake = driven(real, points, rng) if rng.random() < 0.5 else trembling(real, points, rng, rng.random() < 0.4)
        stream = draw_stream(rng, frames)
        for label, clip in enumerate((real, fake)):
            crops.append(stream.apply(clip))
            labels.append(label)
            groups.append(f"{number}")
            sources.append(pack.rows[index].source)
            margins.append(pack.rows[index].margin)
    return Windows(crops, np.array(labels, np.int64), groups, sources, margins)


def joined(parts: Sequence[Windows]) -> Windows:
    """Several sets of windows as one."""
    return Windows(
        [crops for part in parts for crops in part.crops],
        np.concatenate([part.labels for part in parts]) if parts else np.empty(0, np.int64),
        [group for part in parts for group in part.groups],
        [source for part in parts for source in part.sources],
        [margin for part in parts for margin in part.margins],
    )


def by_clip(windows: Windows, scores: Array) -> tuple[Array, npt.NDArray[np.int64], list[str], list[str]]:
    """Mean score, label, name and source of each clip."""
    members: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, group in enumerate(windows.groups):
        members[group, int(windows.labels[index])].append(index)
    names = sorted(members)
    means = np.array([scores[members[name]].mean() for name in names])
    labels = np.array([label for _, label in names], np.int64)
    return means, labels, [name for name, _ in names], [windows.sources[members[name][0]] for name in names]
