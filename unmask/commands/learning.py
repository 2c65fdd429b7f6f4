"""`unmask enrol`, `export-feedback`, `train`: what is learnt from your own cameras and data."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask.commands.options import Config, Panel, load

app = typer.Typer()


class Init(StrEnum):
    """What weights training begins with."""

    RANDOM = "random"
    IMAGENET = "imagenet"


class Device(StrEnum):
    """Where a network is trained."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


@app.command(rich_help_panel=Panel.CAMERAS, epilog="Example: unmask enrol --camera front-door --minutes 5")
def enrol(
    camera: Annotated[str, typer.Option(metavar="NAME", help="The camera, as the running system calls it.")],
    minutes: Annotated[float, typer.Option(min=0.01, max=1440, help="How long its picture is known to be real.")] = 5.0,
    show: Annotated[bool, typer.Option("--show", help="Only say what the camera's reference is.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Only take the camera's reference away.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Enrol it even where it scores like a fake.")] = False,
    config: Config = None,
) -> None:
    """While a camera's picture is known to be real: make what it scores the reference of its later scores."""
    from wire.errors import UsageError

    if show and remove:
        raise UsageError("--show and --remove at once", "choose one of them")
    settings = load(config)
    from unmask import enrol as enrolling

    if show or remove:
        raise typer.Exit((enrolling.show if show else enrolling.remove)(settings, camera))
    raise typer.Exit(enrolling.run(settings, camera, minutes, force))


@app.command("export-feedback", rich_help_panel=Panel.TRAIN, epilog="Example: unmask export-feedback feedback")
def export_feedback(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The same one again adds what is new.")],
    config: Config = None,
) -> None:
    """Write the crops of reviewed alerts and a manifest of them for 'unmask train --data DIR'."""
    settings = load(config)
    from unmask import feedback

    raise typer.Exit(feedback.run(folder, settings))


@app.command(rich_help_panel=Panel.TRAIN, epilog="Example: unmask train --data clips --run runs/first")
def train(
    data: Annotated[
        list[Path],
        typer.Option(metavar="PATH", help="A data set's folder, a manifest, or a store of faces; repeatable."),
    ],
    run: Annotated[Path, typer.Option(metavar="DIR", help="The run: state, log, checkpoint. The same one goes on.")],
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML; else the default recipe.")] = None,
    init: Annotated[Init | None, typer.Option(help="Weights to begin with; else the recipe's.")] = None,
    passes: Annotated[int | None, typer.Option(min=1, help="Images until the end; else the recipe's.")] = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="PyTorch's threads; 0: as many as there are cores.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that make batches; about 8 feed a GPU.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Else checkpoint.safetensors in the run.")] = None,
    name: Annotated[
        str, typer.Option(help="The model's name; its id adds 8 digits of the weights' sha256.")
    ] = "custom",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard's files to DIR.")] = False,
    config: Config = None,
) -> None:
    """Train a detector on your own data and write a calibrated checkpoint. Stop it any time: it goes on."""
    settings = load(config)
    from unmask import allocator

    allocator.tune()  # before PyTorch is imported, which takes seconds
    from unmask import train as trainer

    code = trainer.run(
        data, run, recipe, settings, init=None if init is None else init.value, passes=passes,
        device=device.value, threads=threads, workers=workers, out=out, name=name, tensorboard=tensorboard,
    )  # fmt: skip
    raise typer.Exit(code)
