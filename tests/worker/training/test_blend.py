"""Self-made fakes: what changes lies under the mask, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worker.training.making import POINTS, PX, face
from worker.training.blend import FIVE, OUTLINES, affine, blend, coarsen, donor_face, elastic, face_mask, recolour


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_affine_recovers_a_known_map() -> None:
    known = np.array([[10.0, 2.0, 30.0], [-1.0, 12.0, 20.0]])
    target = FIVE @ known[:, :2].T + known[:, 2]
    assert np.allclose(affine(FIVE, target), known)


@pytest.mark.parametrize("kind", list(OUTLINES))
def test_mask_covers_its_region(kind: str) -> None:
    mask = face_mask(POINTS, PX, rng(), kind)
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert mask[44, 32] == 1  # the mouth is part of every region
    assert mask[:3].max() == mask[:, :3].max() == 0
    assert (mask[26, 32] == 1) is np.bool_(kind != "mouth")  # between the eyes


@pytest.mark.parametrize("coarse", [False, True])
def test_only_what_the_mask_covers_changes(coarse: bool) -> None:
    for seed in range(8):
        real = face(seed)
        fake, mask = blend(real, POINTS, rng(seed), coarse)
        assert fake.shape == real.shape
        assert np.array_equal(fake[mask == 0], real[mask == 0])
        assert mask.min() >= 0
        assert mask.max() <= 1
        assert not np.array_equal(fake, real)


def test_coarse_blends_differ_more() -> None:
    def change(coarse: bool) -> float:
        pairs = [(face(s), blend(face(s), POINTS, rng(s), coarse, kind="face")[0]) for s in range(20)]
        return float(np.mean([np.abs(a.astype(float) - b).mean() for a, b in pairs]))

    assert change(True) > 1.5 * change(False)


def test_the_same_seed_gives_the_same_fake() -> None:
    first, again, other = (blend(face(1), POINTS, rng(seed), True)[0] for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_donor_brings_its_face_in_the_colours_of_the_target() -> None:
    target, donor = face(1), recolour(face(2), 3.0, rng())
    moved = donor_face(donor, POINTS, target, POINTS)
    assert np.abs(moved.mean((0, 1)) - target.mean((0, 1))).max() < 3
    assert not np.array_equal(moved, target)


def test_elastic_keeps_mean_and_moves_pixels() -> None:
    image = face(3)
    bent = elastic(image, 2.0, rng())
    assert abs(float(bent.mean()) - float(image.mean())) < 4
    assert not np.array_equal(bent, image)
    assert np.abs(elastic(image, 0.0, rng()).astype(int) - image).max() <= 1


def test_coarsen_loses_detail() -> None:
    image = face(4)
    assert coarsen(image, 0.25).std() < image.std()
    assert coarsen(image, 0.25).shape == image.shape
