"""`unmask train`: from real and fake faces to a calibrated checkpoint. Resumable; the same command goes on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask.data import faces, index
from wire.errors import UsageError
from wire.settings import Settings
from worker.checkpoint import Meta
from worker.training.export import export
from worker.training.recipe import Init, Recipe, read
from worker.training.splits import set_aside
from worker.training.store import ROWS, Pack
from worker.training.train import train

WINDOWS = 4  # runs of crops a clip

Watch = Callable[[int, dict[str, float]], None]


def run(
    data: Sequence[Path],
    folder: Path,
    recipe_file: Path | None,
    settings: Settings,
    *,
    init: Init | None,
    passes: int | None,
    device: str,
    threads: int,
    workers: int,
    out: Path | None,
    name: str,
    tensorboard: bool,
) -> int:
    """Train to the recipe's end and write the checkpoint; 130 when it was told to stop before. Raises UnmaskError."""
    console = Console(stderr=True)
    given = {"init": init, "passes": passes}
    recipe = msgspec.structs.replace(read(recipe_file), **{key: v for key, v in given.items() if v is not None})
    packs = set_aside([Pack(store) for store in stores(data, settings)])
    describe(packs, recipe, console)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    done = train(
        packs, folder, recipe, device=device, threads=threads, workers=workers, stop=stopping.is_set,
        watch=_tensorboard(folder) if tensorboard else lambda step, facts: None,
    )  # fmt: skip
    if done.step < recipe.steps:
        console.print(f"stopped at {done.passes:,} of {recipe.passes:,} passes; the same command goes on from there")
        return 130
    target = out or folder / "checkpoint.safetensors"
    written(export(folder, packs, target, name), target, Console())
    return 0


def stores(data: Sequence[Path], settings: Settings) -> list[Path]:
    """The stores of faces in `data`; a manifest, or a folder that holds a data set, is made into one first, once."""
    found = []
    for path in data:
        if (path / ROWS).exists():
            found.append(path)
            continue
        manifest = path
        if path.is_dir():
            manifest = path / "manifest.tsv"
            if not manifest.exists():
                index.run(path, None, index.SEED, None, force=False)
        store = manifest.with_suffix(".faces")
        if faces.run(manifest, store, settings, WINDOWS, settings.window.frames, [], None, None):
            raise UsageError(
                f"no face was stored of {manifest}", "look at the clips; 'unmask data faces' says what failed"
            )
        found.append(store)
    if not found:
        raise UsageError("no data", "name a folder, a manifest or a store of faces with --data")
    return found


def describe(packs: Sequence[Pack], recipe: Recipe, console: Console) -> None:
    """What is trained on, as a table."""
    table = Table("source", "real", "fake", "groups", title=f"{recipe.passes:,} passes")
    for pack in packs:
        train_rows = [pack.rows[i] for i in pack.where("train")]
        for source in sorted({row.source for row in train_rows}):
            rows = [row for row in train_rows if row.source == source]
            fakes = sum(row.label for row in rows)
            groups = len({row.group for row in rows})
            table.add_row(escape(source), f"{len(rows) - fakes:,}", f"{fakes:,}", f"{groups:,}")
    console.print(table)


def written(meta: Meta, target: Path, console: Console) -> None:
    """What was written, and the next step."""
    console.print(f"{target}: {meta.model_id}, {meta.passes:,} passes", highlight=False, markup=False)
    console.print(f"measure it: unmask evaluate --model {target} --data MANIFEST", highlight=False, markup=False)


def _tensorboard(folder: Path) -> Watch:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError(
            "TensorBoard is not installed", "pip install 'unmask[tensorboard]', or leave --tensorboard out"
        ) from error
    writer = SummaryWriter(str(folder))

    def note(step: int, facts: dict[str, float]) -> None:
        for key, value in facts.items():
            writer.add_scalar(key, value, step)
        writer.flush()

    return note
