"""`python -m worker.training`: what is measured on stored faces. Training and evaluation are `unmask` commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from worker.checkpoint import DEFAULT, load
from worker.training.store import Pack

app = typer.Typer(help="Measure a checkpoint on stored faces.", no_args_is_help=True, add_completion=False)
Stores = Annotated[list[Path], typer.Option("--faces", help="A store that 'unmask data faces' wrote; repeatable.")]
Model = Annotated[Path, typer.Option(help="The checkpoint to measure.")]


@app.command()
def held(
    faces: Stores,
    model: Model = DEFAULT,
    store: Annotated[bool, typer.Option(help="Write the figures into the checkpoint's metadata.")] = False,
) -> None:
    """Single crops of held-out groups, and blends of held-out people, with the shortcut probe beside: JSON."""
    from worker.training import export, measure

    results = measure.report(load(model).model, [Pack(folder) for folder in faces])
    if store:
        export.store(model, results)
    _print(results)


@app.command()
def heads(faces: Stores, model: Model = DEFAULT) -> None:
    """Fit every temporal head on frozen features, measure it in order and shuffled: JSON."""
    from worker.training.heads import compare

    _print(compare(load(model).model, [Pack(folder) for folder in faces]))


@app.command()
def export(
    faces: Stores,
    run: Annotated[Path, typer.Option(help="Folder of a training run, finished or not.")],
    out: Annotated[Path, typer.Option(help="The checkpoint to write.")],
    name: Annotated[str, typer.Option(help="Name of the model; its id adds 8 digits of the weights' sha256.")],
) -> None:
    """Write a run's averaged weights as a calibrated checkpoint, as `unmask train` does at its end: JSON."""
    from worker.training import export as exporting

    _print(exporting.export(run, [Pack(folder) for folder in faces], out, name))


@app.command()
def real(faces: Stores, model: Annotated[Path, typer.Option(help="The checkpoint to add it to.")]) -> None:
    """Add to a checkpoint what real windows of the stores' held-out people give it: what `unmask enrol` needs. JSON."""
    from worker.training import export as exporting

    _print(exporting.add_real(model, [Pack(folder) for folder in faces]))


def _print(facts: object) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


if __name__ == "__main__":
    app()
