"""Batches of pairs: a real crop and a fake of the same group, cut and degraded alike.

Sources are drawn by share, not by size, so that small fake sources are capped and can't be learned by heart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from worker.preprocess import Image, resize
from worker.training.blend import Mask, blend
from worker.training.data import Pack, Points
from worker.training.degrade import Cut, Degradation, draw, draw_cut, h264

MARGINS = (0.75, 1.1)  # of what is trained on, around the crop margin served
UNKNOWN = -1.0  # value of a mask that nobody knows
MASK_STRIDE = 16  # of the stage the mask head sits on


class Sample(NamedTuple):
    """A pair as drawn: real and fake (P, P, 3), the fake's mask (P, P) or None where unknown, crop margin, source."""

    real: Image
    fake: Image
    mask: Mask | None
    margin: float
    source: str


class Batch(NamedTuple):
    """Pairs ready for the network: images (2N, S, S, 3) in BGR, reals first, then their fakes in the same order."""

    images: list[Image]
    labels: npt.NDArray[np.float32]  # (2N)
    masks: npt.NDArray[np.float32]  # (2N, S/16, S/16), UNKNOWN where unknown
    sources: list[str]  # (N), where each pair comes from


class Shares(msgspec.Struct, frozen=True):
    """Share of each source of pairs in a batch; they are normalised."""

    dfdc: float = 0.42
    blend_dfdc: float = 0.2
    blend_stills: float = 0.12
    blend_clips: float = 0.1
    clips: float = 0.16
    coarse: float = 0.4  # of the blends
    donor: float = 0.25  # of the blends: another person's face instead of the same one


class Sampler:
    """Draws pairs from the packs' train split. The same seed and step give the same batch."""

    def __init__(self, dfdc: Pack, stills: Pack, clips: Pack, shares: Shares, size: int, margins: tuple[float, float]):
        self.shares, self.size, self.margins, self.dfdc = shares, size, margins, dfdc
        self._groups = [members for members in dfdc.groups("train").values() if all(members)]
        self._faces = {pack: _with_points(pack) for pack in (dfdc, stills, clips)}
        self._clips = clips
        self._fakes, self._reals, self._instants = _by_source(clips)
        self._any_real = clips.where("train", 0)
        makers: list[tuple[float, Callable[[np.random.Generator], Sample]]] = [
            (shares.dfdc, self._dfdc_pair),
            (shares.blend_dfdc, lambda rng: self._blended(dfdc, rng)),
            (shares.blend_stills, lambda rng: self._blended(stills, rng)),
            (shares.blend_clips, lambda rng: self._blended(clips, rng)),
            (shares.clips, self._clip_pair),
        ]
        self._makers = [maker for _, maker in makers]
        weights = np.array([share for share, _ in makers])
        self._weights = weights / weights.sum()

    def batch(self, pairs: int, seed: int, step: int) -> Batch:
        """The batch of `pairs` pairs for this step."""
        rng = np.random.default_rng((seed, step))
        chosen = rng.choice(len(self._makers), pairs, p=self._weights)
        return finish([self._makers[which](rng) for which in chosen], self.size, self.margins, rng)

    def _dfdc_pair(self, rng: np.random.Generator) -> Sample:
        reals, fakes = self._groups[rng.integers(len(self._groups))]
        real, fake = (self.dfdc.crops[int(rng.choice(side))] for side in (reals, fakes))
        return Sample(real, fake, None, self.dfdc.rows[reals[0]].margin, "DFDC")

    def _blended(self, pack: Pack, rng: np.random.Generator) -> Sample:
        faces = self._faces[pack]
        index = faces[rng.integers(len(faces))]
        row = pack.rows[index]
        donor: tuple[Image, Points] | None = None
        if rng.random() < self.shares.donor:
            other = faces[rng.integers(len(faces))]
            donor = pack.crops[other], pack.rows[other].points or ()
        real = np.asarray(pack.crops[index])
        fake, mask = blend(real, row.points or (), rng, bool(rng.random() < self.shares.coarse), donor)
        return Sample(real, fake, mask, row.margin, f"blend-{row.source}")

    def _clip_pair(self, rng: np.random.Generator) -> Sample:
        source = str(rng.choice(sorted(self._fakes)))
        fake = int(rng.choice(self._fakes[source]))
        row = self._clips.rows[fake]
        real = self._instants.get(row.pair) if row.pair else None
        if real is None:
            real = int(rng.choice(self._reals.get(source) or self._any_real))
        return Sample(self._clips.crops[real], self._clips.crops[fake], None, row.margin, source)


def finish(samples: list[Sample], size: int, margins: tuple[float, float], rng: np.random.Generator) -> Batch:
    """Cuts and degrades every pair, both members alike; about a third go through a video codec together."""
    reals: list[Image] = []
    fakes: list[Image] = []
    masks: list[npt.NDArray[np.float32]] = []
    cells = size // MASK_STRIDE
    coded = rng.random(len(samples)) < 0.35
    shared_native, crf = int(rng.integers(40, 101)) * 2, int(rng.integers(18, 41))
    plans: list[Degradation] = []
    for sample, codec in zip(samples, coded, strict=True):
        plan = draw(rng, 72, 200)
        if codec:
            plan = msgspec.structs.replace(plan, native=shared_native, crf=crf)
        plans.append(plan)
        window = draw_cut(sample.margin, margins, rng)
        for image, out in ((sample.real, reals), (sample.fake, fakes)):
            out.append(plan.before_codec(window.apply(np.asarray(image), plan.native)))
        masks.append(_cells(sample.mask, window, cells))
    _through_codec(reals, fakes, [i for i, codec in enumerate(coded) if codec], crf)
    images = [resize(plans[i].after_codec(side[i]), size) for side in (reals, fakes) for i in range(len(samples))]
    known = np.zeros((len(samples), cells, cells), np.float32)
    labels = np.repeat(np.array([0, 1], np.float32), len(samples))
    return Batch(images, labels, np.concatenate([known, np.stack(masks)]), [sample.source for sample in samples])


def _through_codec(reals: list[Image], fakes: list[Image], which: list[int], crf: int) -> None:
    if not which:
        return
    decoded = h264([side[i] for i in which for side in (reals, fakes)], crf)
    for k, i in enumerate(which):
        reals[i], fakes[i] = decoded[2 * k], decoded[2 * k + 1]


def _cells(mask: Mask | None, window: Cut, cells: int) -> npt.NDArray[np.float32]:
    if mask is None:
        return np.full((cells, cells), UNKNOWN, np.float32)
    seen = window.apply((mask * 255).astype(np.uint8), 8 * cells)
    return np.asarray(cv2.resize(seen, (cells, cells), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def _with_points(pack: Pack) -> list[int]:
    return [index for index in pack.where("train", 0) if pack.rows[index].points is not None]


def _by_source(clips: Pack) -> tuple[dict[str, list[int]], dict[str, list[int]], dict[str, int]]:
    """Fakes and reals by source, and the real crop of every instant that has one."""
    fakes: dict[str, list[int]] = defaultdict(list)
    reals: dict[str, list[int]] = defaultdict(list)
    instants: dict[str, int] = {}
    for index in clips.where("train"):
        row = clips.rows[index]
        (fakes if row.label else reals)[row.source].append(index)
        if row.pair and not row.label:
            instants[row.pair] = index
    return dict(fakes), dict(reals), instants
