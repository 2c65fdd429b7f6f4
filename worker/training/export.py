"""From a run to a checkpoint: averaged weights, a temperature and thresholds from people never trained on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import torch

from worker import checkpoint
from worker.calibration import fit_temperature, probabilities, thresholds
from worker.checkpoint import Measured, Meta
from worker.model import Detector
from worker.training.data import Pack
from worker.training.evaluate import Result, window_logits
from worker.training.metrics import Array
from worker.training.sets import Windows, joined, still_windows
from worker.training.train import Recipe, Run

SUSPECT_ALARMS, FAKE_ALARMS = 0.05, 0.01
MOST_STILLS = 120
FRAMES = 4  # of a calibration window: they share one picture and one degradation, more would add little


def averaged(folder: Path) -> tuple[Detector, int]:
    """The averaged detector of the run in `folder`, and how many images it has seen."""
    state = torch.load(folder / "state.pt", map_location="cpu", weights_only=True)
    recipe = msgspec.json.decode(state["recipe"], type=Recipe)
    run = Run(folder, recipe)
    run.resume()
    return run.averaged(), run.step * 2 * recipe.pairs


def calibration_windows(dfdc: Pack, stills: Pack) -> Windows:
    """Degraded windows of people never trained on: DFDC reals and fakes, stills, and blends of both kinds."""
    reals, fakes = dfdc.where("calibration", 0), dfdc.where("calibration", 1)[::5]
    held = stills.where("held")[:MOST_STILLS]
    parts = [still_windows(dfdc, rows, "as-is", FRAMES, seed) for seed, rows in ((21, reals), (22, fakes))]
    wide = [still_windows(stills, held, kind, FRAMES, 23) for kind in ("as-is", "coarse", "subtle")]
    return joined([*parts, *wide])


def real_weights(windows: Windows) -> Array:
    """Weights of the windows so that every source counts the same."""
    counts = {source: windows.sources.count(source) for source in set(windows.sources)}
    return np.array([1 / counts[source] for source in windows.sources])


def export(folder: Path, packs: dict[str, Pack], out: Path, name: str) -> Meta:
    """Writes the run's averaged detector to `out`, calibrated."""
    detector, passes = averaged(folder)
    windows = calibration_windows(packs["dfdc"], packs["stills"])
    logits, labels, weights = window_logits(detector, windows), windows.labels, real_weights(windows)
    temperature = fit_temperature(logits, labels)
    real = probabilities(logits[labels == 0], temperature)
    meta = Meta(
        name=name,
        config=detector.config,
        temperature=temperature,
        thresholds=thresholds(real, SUSPECT_ALARMS, FAKE_ALARMS, weights[labels == 0]),
        data_digest="-".join(packs[part].digest() for part in ("dfdc", "stills", "train")),
        passes=passes,
        metrics={},
        baseline=True,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return checkpoint.save(out, detector, meta)


def store(path: Path, results: dict[str, Result]) -> Meta:
    """Writes `results` into the metadata of the checkpoint at `path`; weights and model id stay what they are."""
    model, meta = checkpoint.load(path)
    metrics = {key: Measured(r.auc.value, r.auc.lo, r.auc.hi) for key, r in results.items()}
    return checkpoint.save(path, model, msgspec.structs.replace(meta, metrics=metrics))
