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
from wire.errors import CheckpointError, ServiceError, UsageError
from worker import checkpoint
from worker.training import export, measure, sets, state
from worker.training.recipe import Recipe
from worker.training.sampler import Mixture, Sampler
from worker.training.splits import set_aside
from worker.training.state import STATE
from worker.training.store import Pack
from worker.training.train import LOG, Run, batches, pick_device, train

RECIPE = Recipe(
    model=msgspec.structs.replace(TINY, frames=4), pairs=4, warmup=2, lr=3e-3, passes=8 * 4, precision="fp32"
)
CPU = torch.device("cpu")


def packs(folder: Path) -> list[Pack]:
    return [
        pack(folder / "dfdc", "DFDC", 4, 1, 0.8),
        pack(folder / "stills", "lfw", 4, 0, 1.4),
        pack(folder / "train", "paired", 4, 1, 1.4),
    ]


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.net.state_dict().items()}


def test_it_learns_a_plain_artefact(tmp_path: Path) -> None:
    sampler = Sampler(packs(tmp_path), Mixture(blends=0.0, partial=0.0), 32)
    run = Run(tmp_path / "run", msgspec.structs.replace(RECIPE, passes=10_000), CPU)
    curve = [run.train_step(sampler.batch(4, 1, step))["bce"] for step in range(30)]
    assert np.mean(curve[-5:]) < 0.7 * np.mean(curve[:5])


def test_a_stopped_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    made = packs(tmp_path / "packs")
    whole = train(made, tmp_path / "whole", RECIPE, threads=1)
    asked = iter([False, False, True])
    stopped = train(made, tmp_path / "broken", RECIPE, threads=1, stop=lambda: next(asked))
    assert stopped.step == 2
    resumed = train(made, tmp_path / "broken", RECIPE, threads=1)
    assert resumed.step == whole.step == 4
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(resumed)[name], value, rtol=1e-3, atol=1e-4)
    events = [json.loads(line).get("event") for line in (tmp_path / "broken/log.jsonl").read_text().splitlines()]
    assert [event for event in events if event] == ["started", "resumed"]


def test_a_run_of_another_model_is_refused(tmp_path: Path) -> None:
    Run(tmp_path, RECIPE, CPU).save()
    other = msgspec.structs.replace(RECIPE, model=msgspec.structs.replace(RECIPE.model, residual=True))
    with pytest.raises(UsageError, match="another model"):
        Run(tmp_path, other, CPU).resume()


def test_a_damaged_state_is_not_begun_over(tmp_path: Path) -> None:
    made, path = packs(tmp_path / "packs"), tmp_path / "run" / STATE
    Run(tmp_path / "run", RECIPE, CPU).save()
    path.write_bytes(damaged := path.read_bytes()[:5000])
    for go_on in (lambda: train(made, tmp_path / "run", RECIPE, threads=1), lambda: export.averaged(tmp_path / "run")):
        with pytest.raises(CheckpointError, match="move it away"):
            go_on()
    assert path.read_bytes() == damaged
    parts = {name: {} for name in ("net", "ema", "optimizer")} | {"step": 1, "data": "", "recipe": '{"no": 1}'}
    state.write(path, parts)
    with pytest.raises(CheckpointError, match="recipe is none of this version"):
        export.averaged(tmp_path / "run")


def test_a_state_whose_optimizer_is_another_is_damaged(tmp_path: Path) -> None:
    run = Run(tmp_path, RECIPE, CPU)
    run.save()
    path = tmp_path / STATE
    state.write(path, state.read(path, CPU) | {"optimizer": {"state": {}, "param_groups": []}})
    with pytest.raises(CheckpointError, match="move it away"):
        run.resume()


def test_a_full_disk_ends_training_with_one_line(tmp_path: Path) -> None:
    made, folder = packs(tmp_path / "packs"), tmp_path / "run"
    assert train(made, folder, RECIPE, threads=1, stop=iter([False, True]).__next__).step == 1
    before = (folder / STATE).read_bytes()
    (folder / f"{STATE}.partial").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match="No space left on device"):
        train(made, folder, RECIPE, threads=1)
    assert (folder / STATE).read_bytes() == before
    (folder / LOG).unlink()
    (folder / LOG).symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"log.jsonl: can't be written \(No space left"):
        train(made, folder, RECIPE, threads=1)


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"can't be made \(File exists\)"):
        Run(tmp_path / "file", RECIPE, CPU)


def test_batches_do_not_depend_on_the_number_of_threads(tmp_path: Path) -> None:
    sampler = Sampler(packs(tmp_path), Mixture(), 32)
    one, many = (batches(sampler, RECIPE, 3, workers) for workers in (1, 3))
    for _ in range(3):
        left, right = next(one), next(many)
        assert all(np.array_equal(a, b) for a, b in zip(left.images, right.images, strict=True))


def test_bf16_is_near_fp32(tmp_path: Path) -> None:
    sampler = Sampler(packs(tmp_path), Mixture(), 32)
    half, whole = (
        Run(tmp_path / kind, msgspec.structs.replace(RECIPE, precision=kind), CPU) for kind in ("bf16", "fp32")
    )
    assert half.half
    assert not whole.half
    batch = sampler.batch(4, 1, 0)
    assert half.train_step(batch)["bce"] == pytest.approx(whole.train_step(batch)["bce"], abs=0.02)


def test_the_average_follows_the_weights(tmp_path: Path) -> None:
    sampler = Sampler(packs(tmp_path), Mixture(), 32)
    run = Run(tmp_path / "run", RECIPE, CPU)
    before = {name: value.clone() for name, value in run.ema.items()}
    for step in range(3):
        run.train_step(sampler.batch(4, 1, step))
    name = "detector.encoder.conv1.weight"
    assert float((run.ema[name] - before[name]).norm()) > 0
    assert float((run.ema[name] - weights(run)[name]).norm()) > 0
    assert torch.equal(run.averaged().state_dict()["encoder.conv1.weight"], run.ema[name])


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    with pytest.raises(ServiceError, match="--device cpu"):
        pick_device("cuda")


def held(folder: Path) -> list[Pack]:
    """Real-fake groups, some held out and some for calibration, and held-out stills."""
    dfdc = pack(folder / "dfdc", "DFDC", 8, 1, 0.8, "held")
    dfdc.rows = [msgspec.structs.replace(row, split="calibration") if row.group > "3" else row for row in dfdc.rows]
    return [dfdc, pack(folder / "stills", "lfw", 8, 0, 1.4, "held")]


def test_export_makes_a_checkpoint_that_loads(tmp_path: Path) -> None:
    run, made, out = Run(tmp_path / "run", RECIPE, CPU), held(tmp_path), tmp_path / "out.safetensors"
    run.step = 5
    run.save()
    meta = export.export(tmp_path / "run", made, out, "tiny")
    results = {"x": measure.scored(run.averaged(), sets.crop_windows(made[0], "held")).result()}
    assert export.store(out, results).model_id == meta.model_id  # the same weights, to the bit
    model, loaded = checkpoint.load(out)
    assert loaded == msgspec.structs.replace(meta, metrics=loaded.metrics)
    assert loaded.passes == 5 * RECIPE.batch
    assert loaded.metrics["x"].lo <= loaded.metrics["x"].value <= loaded.metrics["x"].hi
    assert loaded.thresholds.suspect.p <= loaded.thresholds.fake.p
    assert loaded.thresholds.fake.false_alarm <= export.FAKE_ALARMS
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(model.encode(images), run.averaged().encode(images), rtol=0.02, atol=0.02)


def test_what_real_windows_give_can_be_added_to_a_checkpoint_that_lacks_it(tmp_path: Path) -> None:
    run, made, out = Run(tmp_path / "run", RECIPE, CPU), held(tmp_path), tmp_path / "out.safetensors"
    run.save()
    meta = export.export(tmp_path / "run", made, out, "tiny")
    assert meta.real is not None
    checkpoint.save(out, checkpoint.load(out).model, msgspec.structs.replace(meta, real=None))
    added = export.add_real(out, made)
    assert added.model_id == meta.model_id
    assert added.real is not None
    assert msgspec.structs.astuple(added.real) == pytest.approx(msgspec.structs.astuple(meta.real), abs=0.02)  # fp16


def test_calibration_leaves_held_groups_alone_where_others_are_set_aside(tmp_path: Path) -> None:
    made = held(tmp_path)
    groups = set(export.calibration_windows(made[:1]).groups)
    assert groups == {"4", "5", "6", "7"}
    sources = export.calibration_windows(made).sources
    assert set(sources) == {"DFDC", "lfw"}


def test_export_without_anybody_held_out(tmp_path: Path) -> None:
    Run(tmp_path / "run", RECIPE, CPU).save()
    with pytest.raises(UsageError, match="no held-out"):
        export.export(tmp_path / "run", [pack(tmp_path / "x", "x", 3, 1, 1.4)], tmp_path / "out", "tiny")


def test_export_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no training run"):
        export.averaged(tmp_path)


def test_real_streams_set_thresholds(tmp_path: Path) -> None:
    stream = pack(tmp_path / "stream", "office", 8, 0, 1.4, "negative")
    stream.rows = [msgspec.structs.replace(row, name="one") for row in stream.rows]  # one run of eight frames
    windows = export.calibration_windows([stream])
    assert (windows.labels.tolist(), windows.sources, len(windows.crops[0])) == ([0], ["office"], 8)


def test_some_groups_are_set_aside_where_nobody_is(tmp_path: Path) -> None:
    made = set_aside([pack(tmp_path / "a", "x", 40, 1, 1.4)])
    aside = {row.group for row in made[0].rows if row.split == "calibration"}
    assert 2 <= len(aside) <= 4
    assert {row.group for row in made[0].rows if row.split == "train"}.isdisjoint(aside)
    assert {row.label for row in made[0].rows if row.split == "calibration"} == {0, 1}
    before = held(tmp_path)
    assert [row.split for p in set_aside(before) for row in p.rows] == [row.split for p in before for row in p.rows]
