"""Batches: pairs in order, reproducible, and no shortcut between the two members of a pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.worker.training.making import pack
from worker.training.metrics import auc, probe_scores, shortcuts
from worker.training.sampler import UNKNOWN, Sampler, Shares


@pytest.fixture
def sampler(tmp_path: Path) -> Sampler:
    return make(tmp_path, Shares())


def make(folder: Path, shares: Shares) -> Sampler:
    dfdc = pack(folder / "dfdc", "DFDC", 6, 2, 0.8)
    stills = pack(folder / "stills", "lfw", 6, 0, 1.4)
    clips = pack(folder / "train", "paired", 6, 1, 1.4)
    return Sampler(dfdc, stills, clips, shares, 32, (0.75, 1.1))


def test_a_batch_is_reals_then_fakes(sampler: Sampler) -> None:
    batch = sampler.batch(6, seed=1, step=0)
    assert len(batch.images) == 12
    assert {image.shape for image in batch.images} == {(32, 32, 3)}
    assert batch.labels.tolist() == [0] * 6 + [1] * 6
    assert batch.masks.shape == (12, 2, 2)
    assert batch.masks[:6].max() == 0


def test_the_same_step_gives_the_same_batch(sampler: Sampler) -> None:
    first, again, other = (sampler.batch(4, 1, step) for step in (7, 7, 8))
    assert all(np.array_equal(a, b) for a, b in zip(first.images, again.images, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first.images, other.images, strict=True))


def test_masks_are_known_for_blends_only(tmp_path: Path) -> None:
    blends = make(tmp_path / "a", Shares(dfdc=0, clips=0)).batch(8, 1, 0)
    assert all(source.startswith("blend-") for source in blends.sources)
    assert blends.masks[8:].min() >= 0
    assert blends.masks[8:].max() > 0.3
    swaps = make(tmp_path / "b", Shares(blend_dfdc=0, blend_stills=0, blend_clips=0)).batch(8, 1, 0)
    assert set(swaps.sources) <= {"DFDC", "paired"}
    assert (swaps.masks[8:] == UNKNOWN).all()


def test_shares_are_followed(tmp_path: Path) -> None:
    batch = make(tmp_path, Shares(dfdc=1, blend_dfdc=0, blend_stills=0, blend_clips=0, clips=0)).batch(8, 1, 0)
    assert set(batch.sources) == {"DFDC"}


def test_no_shortcut_between_the_members_of_a_pair(tmp_path: Path) -> None:
    """With a fake that is its real, nothing a degradation does may tell them apart."""
    folder = tmp_path / "same"
    sampler = make(folder, Shares(dfdc=0, blend_dfdc=0, blend_stills=0, blend_clips=0, clips=1))
    rows = sampler._clips.rows
    crops = np.array(sampler._clips.crops)
    for index, row in enumerate(rows):
        if row.label:
            crops[index] = crops[sampler._instants[row.pair]]
    sampler._clips.crops = crops
    batches = [sampler.batch(8, 2, step) for step in range(6)]
    features = np.array([shortcuts(image) for batch in batches for image in batch.images])
    labels = np.concatenate([batch.labels for batch in batches]).astype(np.int64)
    groups = [f"{step}-{i % 8}" for step in range(6) for i in range(16)]
    assert auc(probe_scores(features, labels, groups), labels) == pytest.approx(0.5, abs=0.08)
