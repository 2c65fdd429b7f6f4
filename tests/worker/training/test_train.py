"""The loop: it learns, it resumes to the same weights, it averages, it exports."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from tests.worker.test_model import TINY
from tests.worker.training.making import pack
from worker import checkpoint
from worker.training import evaluate, export, sets
from worker.training.data import Pack
from worker.training.sampler import Sampler, Shares
from worker.training.train import Recipe, Run, losses, train

RECIPE = Recipe(model=msgspec.structs.replace(TINY, frames=4), pairs=4, warmup=2, lr=3e-3)


def packs(folder: Path) -> Path:
    pack(folder / "dfdc", "DFDC", 4, 1, 0.8)
    pack(folder / "stills", "lfw", 4, 0, 1.4)
    pack(folder / "train", "paired", 4, 1, 1.4)
    return folder


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.net.state_dict().items()}


def test_it_learns_a_plain_artefact(tmp_path: Path) -> None:
    folder = packs(tmp_path)
    shares = Shares(dfdc=1, blend_dfdc=0, blend_stills=0, blend_clips=0, clips=0)
    sampler = Sampler(*(Pack(folder / n) for n in ("dfdc", "stills", "train")), shares, 32, (0.75, 1.1))
    run = Run(tmp_path / "run", RECIPE)
    curve = [run.train_step(sampler.batch(4, 1, step))["bce"] for step in range(30)]
    assert np.mean(curve[-5:]) < 0.7 * np.mean(curve[:5])


def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    folder = packs(tmp_path / "packs")
    whole = train(folder, tmp_path / "whole", RECIPE, 4, evaluate_every=100, threads=1)
    train(folder, tmp_path / "broken", RECIPE, 2, evaluate_every=100, threads=1)
    resumed = train(folder, tmp_path / "broken", RECIPE, 4, evaluate_every=100, threads=1)
    assert resumed.step == whole.step == 4
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, rtol=1e-3, atol=1e-4)
    events = [json.loads(line).get("event") for line in (tmp_path / "broken/log.jsonl").read_text().splitlines()]
    assert events == ["started", "resumed"]


def test_rank_loss_wants_the_fake_above_its_real() -> None:
    labels, masks = torch.tensor([0.0, 1.0]), torch.full((2, 2, 2), -1.0)
    right = losses(torch.tensor([-2.0, 2.0]), torch.zeros(2, 2, 2), labels, masks, RECIPE)
    wrong = losses(torch.tensor([2.0, -2.0]), torch.zeros(2, 2, 2), labels, masks, RECIPE)
    assert right["rank"] < 0.05 < 3 < wrong["rank"]
    assert right["mask"] == wrong["mask"] == 0  # nothing is known about these masks


def test_mask_loss_counts_known_cells_only() -> None:
    labels, maps = torch.tensor([0.0, 1.0]), torch.full((2, 1, 2), 4.0)
    masks = torch.tensor([[[-1.0, -1.0]], [[1.0, 1.0]]])
    assert losses(torch.zeros(2), maps, labels, masks, RECIPE)["mask"] < 0.05
    masks[1] = 0
    assert losses(torch.zeros(2), maps, labels, masks, RECIPE)["mask"] > 3


def test_the_average_follows_the_weights(tmp_path: Path) -> None:
    folder = packs(tmp_path)
    sampler = Sampler(*(Pack(folder / n) for n in ("dfdc", "stills", "train")), Shares(), 32, (0.75, 1.1))
    run = Run(tmp_path / "run", RECIPE)
    before = {name: value.clone() for name, value in run.ema.items()}
    for step in range(3):
        run.train_step(sampler.batch(4, 1, step))
    name = "detector.encoder.conv1.weight"
    assert float((run.ema[name] - before[name]).norm()) > 0
    assert float((run.ema[name] - weights(run)[name]).norm()) > 0
    assert torch.equal(run.averaged().state_dict()["encoder.conv1.weight"], run.ema[name])


def test_recipe_from_a_partial_file() -> None:
    recipe = msgspec.json.decode(b'{"lr": 0.01, "shares": {"dfdc": 0.9}}', type=Recipe)
    assert (recipe.lr, recipe.shares.dfdc, recipe.pairs) == (0.01, 0.9, Recipe().pairs)


@pytest.fixture
def measured(tmp_path: Path) -> dict[str, Pack]:
    return {
        "train": pack(tmp_path / "train", "paired", 4, 1, 1.4),
        "dfdc": joint(tmp_path / "dfdc"),
        "stills": pack(tmp_path / "stills", "lfw", 5, 0, 1.4, "held"),
        "dev": pack(tmp_path / "dev", "DFDC", 3, 1, 1.4, "dev"),
    }


def joint(folder: Path) -> Pack:
    made = pack(folder, "DFDC", 6, 1, 0.8, "held")
    made.rows = [msgspec.structs.replace(row, split="calibration") if row.group > "2" else row for row in made.rows]
    return made


def test_export_makes_a_checkpoint_that_loads(tmp_path: Path, measured: dict[str, Pack]) -> None:
    run = Run(tmp_path / "run", RECIPE)
    run.step = 5
    run.save()
    results = {"x": evaluate.scored(run.averaged(), sets.dfdc_windows(measured["dfdc"], "held")).result()}
    out = tmp_path / "out.safetensors"
    meta = export.export(tmp_path / "run", measured, out, "tiny")
    assert export.store(out, results).model_id == meta.model_id  # the same weights, to the bit
    model, loaded = checkpoint.load(out)
    assert loaded == msgspec.structs.replace(meta, metrics=loaded.metrics)
    assert loaded.passes == 5 * 2 * RECIPE.pairs
    assert loaded.metrics["x"].lo <= loaded.metrics["x"].value <= loaded.metrics["x"].hi
    assert loaded.thresholds.suspect.p <= loaded.thresholds.fake.p
    assert loaded.thresholds.fake.false_alarm <= export.FAKE_ALARMS
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(images), run.averaged().encode(images), rtol=0.02, atol=0.02)
