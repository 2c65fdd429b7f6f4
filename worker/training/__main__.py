"""`python -m worker.training`: train, export, evaluate."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from worker.checkpoint import DEFAULT, load
from worker.training.data import Pack

app = typer.Typer(help="Train and measure the detector.", no_args_is_help=True, add_completion=False)


@app.command()
def train(
    packs: Annotated[Path, typer.Option(help="Folder of stores that `unmask data faces` filled.")],
    run: Annotated[Path, typer.Option(help="Folder of this run; continues where it stopped.")],
    steps: Annotated[int, typer.Option(help="Stop at this step.")] = 100_000,
    recipe: Annotated[Path | None, typer.Option(help="JSON file; anything it leaves out keeps its default.")] = None,
    threads: Annotated[int, typer.Option(help="Torch's CPU threads.")] = 2,
) -> None:
    """Train, or go on training, until STEPS. A file named PAUSE in the run's folder holds it."""
    from worker.training.train import Recipe
    from worker.training.train import train as go

    chosen = Recipe() if recipe is None else msgspec.json.decode(recipe.read_bytes(), type=Recipe)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    go(packs, run, chosen, steps, threads=threads, stop=stopping.is_set)


@app.command()
def export(
    packs: Annotated[Path, typer.Option(help="Folder of stores that `unmask data faces` filled.")],
    run: Annotated[Path, typer.Option(help="Folder of the run.")],
    out: Annotated[Path, typer.Option(help="The checkpoint to write.")],
    name: Annotated[str, typer.Option(help="Name of the model; its id adds 8 digits of the weights' sha256.")],
) -> None:
    """Write the run's averaged weights as a calibrated checkpoint; `evaluate --store` adds its figures."""
    from worker.training import export as exporting

    loaded = {part: Pack(packs / part) for part in ("dfdc", "stills", "train")}
    meta = exporting.export(run, loaded, out, name)
    typer.echo(msgspec.json.format(msgspec.json.encode(meta), indent=2).decode())


@app.command()
def evaluate(
    packs: Annotated[Path, typer.Option(help="Folder of stores that `unmask data faces` filled.")],
    model: Annotated[Path, typer.Option(help="The checkpoint to measure.")] = DEFAULT,
    store: Annotated[bool, typer.Option(help="Write the figures into the checkpoint's metadata.")] = False,
) -> None:
    """Measure a checkpoint: one JSON object to standard output."""
    from worker.training import evaluate as judging
    from worker.training import export as exporting
    from worker.training.sets import clip_windows

    detector, meta = load(model)
    loaded = {part: Pack(packs / part) for part in ("dfdc", "stills", "dev")}
    clips = clip_windows(loaded["dev"], "dev")
    alarm = judging.alarms(detector, clips, meta.temperature, meta.thresholds.fake.p)
    sets = judging.report(detector, loaded)
    if store:
        exporting.store(model, sets)
    facts = {"model": meta.model_id, "sets": sets, "dev_false_fake": alarm}
    typer.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


@app.command()
def heads(
    packs: Annotated[Path, typer.Option(help="Folder of stores that `unmask data faces` filled.")],
    model: Annotated[Path, typer.Option(help="The checkpoint whose encoder to use.")] = DEFAULT,
) -> None:
    """Fit every temporal head on frozen features of the train clips and measure it on the dev clips."""
    from worker.training.heads import compare

    found = compare(load(model).model, Pack(packs / "train"), Pack(packs / "dev"))
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


if __name__ == "__main__":
    app()
