"""The command line: `app` is all commands, in the order in which --help lists them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from unmask.bench.commands import bench
from unmask.commands import checks, data, kept, learning, model, people, services, tools

app = typer.Typer(
    name="unmask",
    help="Real-time deepfake monitor: live cameras and calls in, face by face scores and alerts out.",
    epilog="Example: unmask demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unmask {version('unmask')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


for group in (services, people, model, checks, learning):
    app.add_typer(group.app)
app.add_typer(bench, name="bench")
app.add_typer(kept.app)
app.add_typer(tools.app)
app.add_typer(data.app, name="data")
