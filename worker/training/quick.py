"""The learning curve: a few fixed crops that are never trained on, scored now and then during training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from worker.model import Detector
from worker.preprocess import Image
from worker.training.blend import blend
from worker.training.measure import frame_logits
from worker.training.metrics import auc
from worker.training.store import Pack

GROUPS, FACES, SEED = 150, 120, 7


class Quick:
    """Frame AUC on real-fake groups of the calibration split, and on clean blends of faces of the held split."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self._sets: dict[str, tuple[list[Image], npt.NDArray[np.int64], float]] = {}
        for pack in packs:
            groups = [members for members in pack.groups("calibration").values() if all(members)][:GROUPS]
            if groups:
                rows = [side[0] for side in zip(*groups, strict=True) for side in side]
                self._add(f"auc_{pack.rows[rows[0]].source}", pack, [np.asarray(pack.crops[i]) for i in rows])
        blended = [pack for pack in packs if not pack.groups("calibration")]
        faces = [(p, i) for p in blended for i in p.where("held", 0) if p.rows[i].points]
        chosen = [faces[k] for k in np.random.default_rng(SEED).permutation(len(faces))[:FACES]]
        for coarse in (False, True):
            self._blends("auc_coarse" if coarse else "auc_subtle", chosen, coarse)

    def _add(self, name: str, pack: Pack, crops: list[Image]) -> None:
        half = len(crops) // 2
        self._sets[name] = crops, np.repeat([0, 1], half).astype(np.int64), pack.rows[0].margin

    def _blends(self, name: str, faces: list[tuple[Pack, int]], coarse: bool) -> None:
        by_margin = {pack.rows[index].margin for pack, index in faces}
        for margin in by_margin:
            reals = [(p, i) for p, i in faces if p.rows[i].margin == margin]
            crops = [np.asarray(p.crops[i]) for p, i in reals]
            made = [
                blend(crop, p.rows[i].points or (), np.random.default_rng((SEED, k)), coarse)[0]
                for k, (crop, (p, i)) in enumerate(zip(crops, reals, strict=True))
            ]
            self._add(name, reals[0][0], crops + made)

    def figures(self, detector: Detector) -> dict[str, float]:
        """AUC by name of set."""
        return {name: round(auc(frame_logits(detector, crops, margin), labels), 4)
                for name, (crops, labels, margin) in self._sets.items()}  # fmt: skip
