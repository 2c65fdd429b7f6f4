"""`unmask data ...`: data for training and evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.commands.options import Config, load

app = typer.Typer(
    help="Prepare data for training and evaluation.", epilog="Example: unmask data index clips", no_args_is_help=True
)
Exclude = Annotated[
    Path | None, typer.Option(metavar="MANIFEST", help="Leave out every group that a dev clip of this manifest is of.")
]


@app.command(epilog="Example: unmask data index clips --out clips/manifest.tsv")
def index(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds the data set.")],
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Else DIR/manifest.tsv; -: standard output.")] = None,
    split_seed: Annotated[str, typer.Option(help="Another seed, another dev split.")] = "unmask-1",
    exclude: Exclude = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a manifest that is there.")] = False,
) -> None:
    """Make a manifest of FaceForensics++, Celeb-DF, DFDC or real/ and fake/ folders below DIR."""
    from unmask.data import index as indexing

    raise typer.Exit(indexing.run(folder, out, split_seed, exclude, force))


@app.command(epilog="Example: unmask data fakes clips/manifest.tsv --out fakes")
def fakes(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What 'unmask data index' wrote.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the clips and their manifest go.")],
    split: Annotated[str, typer.Option(help="Whose real clips are used.")] = "dev",
    seed: Annotated[int, typer.Option(help="Another seed, other fakes.")] = 7,
    config: Config = None,
) -> None:
    """Make self-blended and self-driven clips of a manifest's real ones, to measure a detector on."""
    settings = load(config)
    from unmask.data import fakes as making

    raise typer.Exit(making.run(manifest, out, split, settings, seed))


@app.command(epilog="Example: unmask data faces clips/manifest.tsv --out clips.faces")
def faces(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="What 'unmask data index' wrote.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The store; else MANIFEST's name + .faces.")] = None,
    windows: Annotated[int, typer.Option(min=1, help="Runs of crops taken from a clip, at most.")] = 4,
    frames: Annotated[int, typer.Option(min=2, max=64, help="Crops in a run (T).")] = 16,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeatable.")] = None,
    exclude: Exclude = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Else one for each core.")] = None,
    config: Config = None,
) -> None:
    """Find, follow and store the faces of a manifest's clips and pictures, once; goes on where it was stopped."""
    settings = load(config)
    from unmask.data import faces as storing

    raise typer.Exit(storing.run(manifest, out, settings, windows, frames, split or [], exclude, processes))
