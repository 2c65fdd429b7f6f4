"""Batches of pairs: a real crop and a fake of the same group or a blend of it, cut and degraded alike.

Sources are drawn by weight, not by size, so that small fake sources are capped and can't be learned by heart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, NamedTuple, TypeVar

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from worker.preprocess import Image, resize
from worker.training.blend import Mask, blend, face_mask, soften
from worker.training.degrade import Cut, Degradation, draw, draw_cut, h264
from worker.training.replaced import replaced
from worker.training.store import Pack, Points

T = TypeVar("T")
Instant = tuple[int, str, str]  # of one pack, which is held, and one source in it: `Row.pair`
Margin = Annotated[float, msgspec.Meta(ge=0.1, le=4)]  # as ModelConfig.crop_margin
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


class Mixture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a batch is made of. A source without a weight of its own weighs the square root of its groups."""

    blends: float = 0.5  # share of pairs whose fake is made on the fly
    pair_weights: dict[str, float] = {}
    blend_weights: dict[str, float] = {}
    coarse: float = 0.4  # of the blends
    donor: float = 0.25  # of the blends: another person's face instead of the same one
    partial: float = 0.25  # of the aligned pairs: only a part of the fake, put into the real picture
    clean: float = 0.5  # share of the pairs that are hardly degraded
    coded: float = 0.25  # share of the pairs that go through a video codec
    margins: tuple[Margin, Margin] = (0.7, 0.95)  # of the square the network sees, in units of max(w, h) of the face


class Face(NamedTuple):
    """Where a crop lies."""

    pack: Pack
    at: int

    @property
    def image(self) -> Image:
        """The crop (P, P, 3)."""
        return np.asarray(self.pack.crops[self.at])

    @property
    def instant(self) -> Instant:
        """What it shares with the other member of its pair, and with no crop of another set of such names."""
        row = self.pack.rows[self.at]
        return id(self.pack), row.source, row.pair


class Sampler:
    """Draws pairs from the packs' train split. The same seed and step give the same batch."""

    def __init__(self, packs: Sequence[Pack], mixture: Mixture, size: int):
        self.mixture, self.size = mixture, size
        self._reals: dict[str, list[Face]] = defaultdict(list)
        self._pairs: dict[str, list[tuple[list[Face], list[Face]]]] = defaultdict(list)
        self._faces: dict[str, list[Face]] = defaultdict(list)
        self._instants: dict[Instant, Face] = {}
        for pack in packs:
            self._index(pack)
        self._pair_sources = _weighted(self._pairs, mixture.pair_weights)
        self._blend_sources = _weighted(self._faces, mixture.blend_weights)
        if not self._reals or not (self._pair_sources[0] or self._blend_sources[0]):
            raise ValueError("nothing to train on: no real face with landmarks, and no group with a real and a fake")

    def batch(self, pairs: int, seed: int, step: int) -> Batch:
        """The batch of `pairs` pairs for this step."""
        rng = np.random.default_rng((seed, step))
        share = self.mixture.blends if self._pair_sources[0] else 1.0
        share = share if self._blend_sources[0] else 0.0
        samples = [self._blended(rng) if rng.random() < share else self._pair(rng) for _ in range(pairs)]
        return finish(samples, self.size, self.mixture, rng)

    def _index(self, pack: Pack) -> None:
        groups: dict[tuple[str, str], tuple[list[Face], list[Face]]] = defaultdict(lambda: ([], []))
        for index in pack.where("train"):
            row, face = pack.rows[index], Face(pack, index)
            groups[row.source, row.group][row.label].append(face)
            if row.label == 0:
                self._reals[row.source].append(face)
                if row.points is not None:
                    self._faces[row.source].append(face)
                if row.pair:
                    self._instants[face.instant] = face
        for (source, _), (reals, fakes) in groups.items():
            if fakes:
                self._pairs[source].append((reals, fakes))

    def _pair(self, rng: np.random.Generator) -> Sample:
        source = _draw(self._pair_sources, rng)
        reals, fakes = _one(self._pairs[source], rng)
        fake = _one(fakes, rng)
        row = fake.pack.rows[fake.at]
        real = self._instants.get(fake.instant) if row.pair else None
        if real is None:
            real = _one(reals or self._reals.get(source) or _one(list(self._reals.values()), rng), rng)
        seen, shown = real.image, fake.image
        mask = replaced(seen, shown) if reals else None
        points = real.pack.rows[real.at].points
        if mask is not None and points is not None and rng.random() < self.mixture.partial:
            shown, mask = _partly(seen, shown, mask, points, rng)
        return Sample(seen, shown, mask, row.margin, source)

    def _blended(self, rng: np.random.Generator) -> Sample:
        source = _draw(self._blend_sources, rng)
        face = _one(self._faces[source], rng)
        row = face.pack.rows[face.at]
        donor: tuple[Image, Points] | None = None
        if rng.random() < self.mixture.donor:
            other = _one(self._faces[source], rng)
            donor = other.image, other.pack.rows[other.at].points or ()
        real = face.image
        fake, mask = blend(real, row.points or (), rng, bool(rng.random() < self.mixture.coarse), donor)
        return Sample(real, fake, mask, row.margin, f"blend-{row.source}")


def _partly(real: Image, fake: Image, mask: Mask, points: Points, rng: np.random.Generator) -> tuple[Image, Mask]:
    """`real` with a random region of `fake` in it, and the mask of what then differs; all of it where nothing would."""
    region = soften(face_mask(points, real.shape[0], rng), real.shape[0] * rng.uniform(0.01, 0.05))
    left = (mask * region).astype(np.float32)
    if float((left > 0.5).mean()) < 0.03:
        return fake, mask
    weight = region[..., None]
    mixed = fake.astype(np.float32) * weight + real.astype(np.float32) * (1 - weight)
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8), left


Table = tuple[list[str], npt.NDArray[np.float64]]


def _weighted(sources: Mapping[str, Sequence[object]], own: dict[str, float]) -> Table:
    raw = {name: own.get(name, float(len(members) ** 0.5)) for name, members in sorted(sources.items())}
    names = [name for name, weight in raw.items() if weight > 0]
    weights = np.array([raw[name] for name in names])
    return names, weights / weights.sum() if names else weights


def _draw(table: Table, rng: np.random.Generator) -> str:
    return table[0][int(rng.choice(len(table[0]), p=table[1]))]


def _one(members: Sequence[T], rng: np.random.Generator) -> T:
    return members[int(rng.integers(len(members)))]


def finish(samples: list[Sample], size: int, mixture: Mixture, rng: np.random.Generator) -> Batch:
    """Cuts and degrades every pair, both members alike; those that meet a video codec do so together."""
    reals: list[Image] = []
    fakes: list[Image] = []
    masks: list[npt.NDArray[np.float32]] = []
    cells = size // MASK_STRIDE
    coded = rng.random(len(samples)) < mixture.coded
    shared_native, crf = int(rng.integers(40, 101)) * 2, int(rng.integers(18, 41))
    plans: list[Degradation] = []
    for sample, codec in zip(samples, coded, strict=True):
        plan = draw(rng, 72, 200, mixture.clean)
        if codec:
            plan = msgspec.structs.replace(plan, native=shared_native, crf=crf)
        plans.append(plan)
        window = draw_cut(sample.margin, mixture.margins, rng)
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
