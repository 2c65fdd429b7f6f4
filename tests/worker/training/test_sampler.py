"""Batches: pairs in order, reproducible, and no shortcut between the two members of a pair."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.worker.training.making import pack
from worker.training.metrics import auc, probe_scores, shortcuts
from worker.training.sampler import UNKNOWN, Mixture, Sampler
from worker.training.store import Pack


def packs(folder: Path) -> list[Pack]:
    return [
        pack(folder / "dfdc", "DFDC", 6, 2, 0.8),
        pack(folder / "stills", "lfw", 6, 0, 1.4),
        pack(folder / "train", "paired", 6, 1, 1.4),
    ]


def make(folder: Path, mixture: Mixture) -> Sampler:
    return Sampler(packs(folder), mixture, 32)


def test_a_batch_is_reals_then_fakes(tmp_path: Path) -> None:
    batch = make(tmp_path, Mixture()).batch(6, seed=1, step=0)
    assert len(batch.images) == 12
    assert {image.shape for image in batch.images} == {(32, 32, 3)}
    assert batch.labels.tolist() == [0] * 6 + [1] * 6
    assert batch.masks.shape == (12, 2, 2)
    assert batch.masks[:6].max() == 0


def test_the_same_step_gives_the_same_batch(tmp_path: Path) -> None:
    sampler = make(tmp_path, Mixture())
    first, again, other = (sampler.batch(4, 1, step) for step in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first.images, again.images, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first.images, other.images, strict=True))


def test_blends_only_or_pairs_only(tmp_path: Path) -> None:
    blends = make(tmp_path / "a", Mixture(blends=1.0)).batch(8, 1, 0)
    assert all(source.startswith("blend-") for source in blends.sources)
    assert blends.masks[8:].min() >= 0
    assert blends.masks[8:].max() > 0.3
    swaps = make(tmp_path / "b", Mixture(blends=0.0)).batch(8, 1, 0)
    assert set(swaps.sources) <= {"DFDC", "paired"}


def test_masks_of_aligned_pairs_are_known_and_of_others_are_not(tmp_path: Path) -> None:
    aligned = make(tmp_path, Mixture(blends=0.0, partial=0.0))
    assert (aligned.batch(8, 1, 0).masks[8:] != UNKNOWN).all()
    strangers = pack(tmp_path / "x", "x", 4, 1, 1.4)  # every fake is a group of its own: its real is anybody's
    strangers.rows = [msgspec.structs.replace(row, group=row.name) for row in strangers.rows]
    batch = Sampler([strangers], Mixture(blends=0.0), 32).batch(8, 1, 0)
    assert (batch.masks[8:] == UNKNOWN).all()


def test_partial_fakes_replace_less(tmp_path: Path) -> None:
    whole = make(tmp_path / "a", Mixture(blends=0.0, partial=0.0)).batch(32, 1, 0)
    parts = make(tmp_path / "b", Mixture(blends=0.0, partial=1.0)).batch(32, 1, 0)
    assert parts.masks[32:].mean() < whole.masks[32:].mean()


def test_weights_are_followed(tmp_path: Path) -> None:
    only = Mixture(blends=0.0, pair_weights={"DFDC": 1, "paired": 0})
    assert set(make(tmp_path, only).batch(16, 1, 0).sources) == {"DFDC"}


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        Sampler([pack(tmp_path, "x", 3, 1, 1.4, "dev")], Mixture(), 32)


def test_no_shortcut_between_the_members_of_a_pair(tmp_path: Path) -> None:
    """With a fake that is its real, nothing a degradation does may tell them apart."""
    made = pack(tmp_path, "paired", 6, 1, 1.4)
    reals = {row.pair: made.crops[i] for i, row in enumerate(made.rows) if not row.label}
    made.crops = [reals[row.pair] for row in made.rows]
    sampler = Sampler([made], Mixture(blends=0.0), 32)
    batches = [sampler.batch(8, 2, step) for step in range(6)]
    features = np.array([shortcuts(image) for batch in batches for image in batch.images])
    labels = np.concatenate([batch.labels for batch in batches]).astype(np.int64)
    groups = [f"{step}-{i % 8}" for step in range(6) for i in range(16)]
    assert auc(probe_scores(features, labels, groups), labels) == pytest.approx(0.5, abs=0.08)


def test_members_of_a_pair_are_of_one_set(tmp_path: Path) -> None:
    """Though clips of another set are called the same."""
    packs = [pack(tmp_path / folder, "paired", 4, 1, 1.4) for folder in ("a", "b")]
    packs[1].crops = [255 - crop for crop in packs[1].crops]
    sampler = Sampler(packs, Mixture(blends=0.0, partial=0.0), 32)
    for seed in range(8):
        sample = sampler._pair(np.random.default_rng(seed))
        of = [{crop.tobytes() for crop in made.crops} for made in packs]
        assert any({sample.real.tobytes(), sample.fake.tobytes()} <= crops for crops in of)
