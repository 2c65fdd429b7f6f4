"""The learning curve: a few fixed crops that are never trained on, scored now and then during training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from worker.model import Detector
from worker.preprocess import Image
from worker.training.blend import blend
from worker.training.measure import apart, frame_logits
from worker.training.metrics import auc
from worker.training.store import Pack

GROUPS, FACES, SEED = 150, 120, 7


class Part(NamedTuple):
    """Crops that were cut alike, reals first, and their labels."""

    crops: list[Image]
    labels: npt.NDArray[np.int64]
    margin: float


class Quick:
    """Frame AUC on real-fake groups of the calibration split, and on clean blends of faces of the held split.

    Every pack with such groups is a set of its own, by its source; a second one of that name is `auc_NAME-2`.
    """

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._sets: dict[str, list[Part]] = {}
        blended = [pack for pack in packs if not pack.groups("calibration")]
        faces = [(p, i) for p in blended for i in p.where("held", 0) if p.rows[i].points]
        chosen = [faces[k] for k in np.random.default_rng(SEED).permutation(len(faces))[:FACES]]
        for name, coarse in (("auc_subtle", False), ("auc_coarse", True)) if chosen else ():
            self._sets[name] = _blends(chosen, coarse)
        for pack in packs:
            groups = [members for members in pack.groups("calibration").values() if all(members)][:GROUPS]
            if groups:
                rows = [side[0] for side in zip(*groups, strict=True) for side in side]
                crops = [np.asarray(pack.crops[i]) for i in rows]
                self._sets[apart(f"auc_{pack.rows[rows[0]].source}", self._sets)] = [_part(crops, pack.rows[0].margin)]

    def figures(self, detector: Detector) -> dict[str, float]:
        """AUC by name of set."""
        found = {}
        for name, parts in self._sets.items():
            logits = np.concatenate([frame_logits(detector, part.crops, part.margin) for part in parts])
            found[name] = round(auc(logits, np.concatenate([part.labels for part in parts])), 4)
        return found


def _part(crops: list[Image], margin: float) -> Part:
    return Part(crops, np.repeat([0, 1], len(crops) // 2).astype(np.int64), margin)


def _blends(faces: list[tuple[Pack, int]], coarse: bool) -> list[Part]:
    """The faces and a blend of each, a part for each margin."""
    parts = []
    for margin in sorted({pack.rows[index].margin for pack, index in faces}):
        reals = [(p, i) for p, i in faces if p.rows[i].margin == margin]
        crops = [np.asarray(p.crops[i]) for p, i in reals]
        made = [
            blend(crop, p.rows[i].points or (), np.random.default_rng((SEED, k)), coarse)[0]
            for k, (crop, (p, i)) in enumerate(zip(crops, reals, strict=True))
        ]
        parts.append(_part(crops + made, margin))
    return parts
