"""`unmask convert`: a `.pt` file of the community's ResNeXt-50 + LSTM layout to one of our checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from wire.errors import UsageError
from worker import checkpoint
from worker.checkpoint import NAME, Meta
from worker.model import Readout


def run(old: Path, new: Path, readout: Readout, frames: int, name: str) -> None:
    """Write `new` and print what it is. Raises UsageError and CheckpointError."""
    if new.suffix != ".safetensors":
        raise UsageError(f"{new} does not end in .safetensors", "name the new file so: that is what it will be")
    if name and not re.fullmatch(NAME, name):
        raise UsageError(
            f"--name {name!r}", "use up to 64 letters, digits, '_', '.' and '-', the first a letter or digit"
        )
    model, meta = checkpoint.adopt(old, readout, frames, name)
    meta = checkpoint.save(new, model, meta)
    report(new, meta, sum(value.numel() for value in model.parameters()))


def report(new: Path, meta: Meta, parameters: int) -> None:
    """What was written, for people."""
    console = Console(highlight=False, soft_wrap=True)
    size = new.stat().st_size / 1e6
    marks = meta.thresholds
    console.print(f"{new}: model {meta.model_id}", markup=False)
    console.print(f"  {parameters:,} parameters in fp16, {size:.1f} MB, readout {meta.config.readout}, ", end="")
    console.print(f"windows of {meta.config.frames} frames")
    console.print(f"  suspect from p = {marks.suspect.p}, fake from {marks.fake.p}: nobody measured their false alarms")
    console.print(f"  serve it: worker.checkpoint: {new}, window.frames: {meta.config.frames}", markup=False)
