"""`unmask scan`, `convert`, `evaluate`: a checkpoint, on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from unmask.commands.options import Config, Panel, load

app = typer.Typer()


@app.command(rich_help_panel=Panel.WATCH, epilog="Example: unmask scan clip.mp4 --out results")
def scan(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Videos.")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the results go; else beside each file.")
    ] = None,
    config: Config = None,
) -> None:
    """Score video files: per face a timeline, as JSON and as a PNG plot."""
    settings = load(config)
    from unmask import scan as scanner

    raise typer.Exit(scanner.run(files, out, settings))


@app.command(rich_help_panel=Panel.TRAIN, epilog="Example: unmask convert old.pt new.safetensors")
def convert(
    old: Annotated[Path, typer.Argument(metavar="OLD.pt", help="The state dict.")],
    new: Annotated[Path, typer.Argument(metavar="NEW.safetensors", help="The checkpoint to write.")],
    readout: Annotated[
        Literal["last", "mean"], typer.Option(help="The newest frame's state, as served; or the mean, as trained.")
    ] = "last",
    frames: Annotated[int, typer.Option(min=2, max=64, help="Crops in a window (T): window.frames.")] = 16,
    name: Annotated[str, typer.Option(help="Start of the model id; else lineage-baseline-READOUT.")] = "",
) -> None:
    """Convert a ResNeXt-50 + LSTM state dict (.pt) of the community's layout to a checkpoint."""
    from unmask import convert as converter

    converter.run(old, new, readout, frames, name)


@app.command(
    rich_help_panel=Panel.MEASURE, epilog="Example: unmask evaluate --data manifest.tsv --split dev --report report"
)
def evaluate(
    data: Annotated[Path, typer.Option(metavar="MANIFEST", help="Table of clips; its paths are relative to it.")],
    split: Annotated[str | None, typer.Option(help="Which of its clips; else all.")] = None,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="The checkpoint; else the default one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write plots and a page there.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Time-to-alert against false alerts, on streams.")] = False,
    condition: Annotated[
        list[str] | None, typer.Option(help="With --live: a stream, as 720p/1000k/25/loss1; repeatable.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=1440, help="With --live: stream per condition.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="With --live: two conditions, a few minutes each.")] = False,
    robust: Annotated[bool, typer.Option("--robust", help="What attacks and rough handling change.")] = False,
    source: Annotated[list[str] | None, typer.Option(help="Clips of this source, or pattern; repeatable.")] = None,
    reals_from: Annotated[list[str] | None, typer.Option(help="And this source's real clips; repeatable.")] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write the AUC into the checkpoint; 'swaps' is on the page."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Keeps faces found; else the user's cache.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Find the faces anew and keep none.")] = False,
    config: Config = None,
) -> None:
    """Measure a checkpoint on labelled clips through the code that serves; with --live, on streams made of them."""
    settings = load(config)
    if live:
        from unmask import live as streams

        raise typer.Exit(
            streams.run(
                settings, data, split or "dev", model=model, as_json=as_json, report=report, conditions=condition or (),
                minutes=minutes, quick=quick,
            )
        )  # fmt: skip
    from unmask.evaluate import command

    request = command.Request(
        data=data, model=model, split=split, sources=source or (), reals_from=reals_from or (), as_json=as_json,
        report=report, cache=cache, keep=not no_cache, robust=robust, store=store,
    )  # fmt: skip
    raise typer.Exit(command.run(request, settings))
