"""From a run to a checkpoint: averaged weights, a temperature and thresholds from people never trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import torch

from wire.errors import CheckpointError, UsageError
from worker import checkpoint
from worker.calibration import fit_temperature, probabilities, thresholds, typical
from worker.checkpoint import Measured, Meta
from worker.model import Detector
from worker.training import state
from worker.training.measure import Result, window_logits
from worker.training.metrics import Array
from worker.training.recipe import Recipe
from worker.training.sets import Windows, clip_windows, joined, still_windows
from worker.training.state import STATE
from worker.training.store import Pack, Split
from worker.training.train import Run

SUSPECT_ALARMS, FAKE_ALARMS = 0.05, 0.01
MOST = 200  # faces of a source
FRAMES = 4  # of a calibration window made of a still: they share one picture and one degradation, more would add little
HELD_OUT: tuple[Split, ...] = ("calibration", "held")


class Learned(NamedTuple):
    """What a run has come to."""

    detector: Detector  # with the averaged weights
    passes: int
    data: str  # digest of the rows trained on


def averaged(folder: Path) -> Learned:
    """The averaged detector of the run in `folder`. Raises UsageError where there is none, CheckpointError where its
    state is damaged."""
    path, device = folder / STATE, torch.device("cpu")
    if not path.exists():
        raise UsageError(f"{folder} holds no training run", "name the folder that 'unmask train --run' wrote")
    parts = state.read(path, device)
    try:
        recipe = msgspec.json.decode(parts["recipe"], type=Recipe)
    except msgspec.DecodeError as error:
        remedy = "export it with the version that trained it"
        raise CheckpointError(path, f"its recipe is none of this version ({error})", remedy) from error
    run = Run(folder, recipe, device)
    run.load(path, parts)
    return Learned(run.averaged(), run.passes, parts["data"])


def calibration_windows(packs: Sequence[Pack]) -> Windows:
    """Degraded windows of people never trained on: reals and fakes as they are, and blends where landmarks allow.

    Where a pack has groups set aside for calibration its held groups are left alone: they are for measuring. Windows of
    real streams (split `negative`) are taken as they are.
    """
    parts: list[Windows] = []
    for number, pack in enumerate(packs):
        parts.append(clip_windows(pack, "negative"))
        split = next((s for s in HELD_OUT if pack.where(s)), None)
        if split is None:
            continue
        parts.append(clip_windows(pack, split))
        by_source: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index in pack.where(split):
            row = pack.rows[index]
            if not row.window and not row.pair:
                by_source[row.source, row.label].append(index)
        for (_, label), rows in sorted(by_source.items()):
            some = rows[:: max(1, len(rows) // MOST)]
            parts.append(still_windows(pack, some, "as-is", FRAMES, 21 + number))
            if label == 0 and pack.rows[some[0]].margin > 1:
                parts += [still_windows(pack, some, kind, FRAMES, 21 + number) for kind in ("coarse", "subtle")]
    return joined([part for part in parts if part.crops])


def even(windows: Windows) -> Array:
    """Weights of the windows so that every source counts the same."""
    counts = {source: windows.sources.count(source) for source in set(windows.sources)}
    return np.array([1 / counts[source] for source in windows.sources])


def export(folder: Path, packs: Sequence[Pack], out: Path, name: str) -> Meta:
    """Writes the run's averaged detector to `out`, calibrated. Raises UsageError where nobody is held out for that."""
    return calibrated(averaged(folder), packs, out, name)


def calibrated(learned: Learned, packs: Sequence[Pack], out: Path, name: str) -> Meta:
    """Writes what was learned to `out` with a temperature and thresholds from the packs' held-out people."""
    detector = learned.detector
    windows = calibration_windows(packs)
    if len(set(windows.labels.tolist())) < 2:
        remedy = "index the data again with 'unmask data index', which sets some groups aside"
        raise UsageError("the data has no held-out real and fake faces to calibrate on", remedy)
    logits, labels, weights = window_logits(detector, windows), windows.labels, even(windows)
    temperature = fit_temperature(logits, labels)
    real = probabilities(logits[labels == 0], temperature)
    meta = Meta(
        name=name,
        config=detector.config,
        temperature=temperature,
        thresholds=thresholds(real, SUSPECT_ALARMS, FAKE_ALARMS, weights[labels == 0]),
        real=typical(logits[labels == 0], weights[labels == 0]),
        data_digest=learned.data,
        passes=learned.passes,
        metrics={},
        baseline=True,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return checkpoint.save(out, detector, meta)


def add_real(path: Path, packs: Sequence[Pack]) -> Meta:
    """Measures what real windows of people never trained on give the checkpoint at `path`, and writes it into it.

    Raises UsageError where nobody is held out for that.
    """
    model, meta = checkpoint.load(path)
    windows = calibration_windows(packs)
    real = windows.labels == 0
    if not real.any():
        raise UsageError("the data has no held-out real faces", "index it again with 'unmask data index'")
    found = typical(window_logits(model, windows)[real], even(windows)[real])
    return checkpoint.save(path, model, msgspec.structs.replace(meta, real=found))


def store(path: Path, results: dict[str, Result]) -> Meta:
    """Writes the AUCs of `results` into the metadata of the checkpoint at `path`, beside what is there."""
    return note(path, {key: Measured(r.auc.value, r.auc.lo, r.auc.hi) for key, r in results.items()})


def note(path: Path, metrics: dict[str, Measured]) -> Meta:
    """Adds `metrics` to the metadata of the checkpoint at `path`; weights and model id stay what they are."""
    model, meta = checkpoint.load(path)
    return checkpoint.save(path, model, msgspec.structs.replace(meta, metrics={**meta.metrics, **metrics}))
