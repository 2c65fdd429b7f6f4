"""The command line: `app` is all commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from unmask.bench.commands import bench
from unmask.commands import checks, data, kept, learning, model, people, services, tools
from unmask.commands.options import Panel


class Listed(TyperGroup):
    """Commands panel by panel; within one in the order in which they were added."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all; those without a panel, which are hidden, last."""
        places = {panel.value: place for place, panel in enumerate(Panel)}
        return sorted(self.commands, key=lambda name: places.get(_panel(self.commands[name]), len(places)))


def _panel(command: Any) -> str:
    named = command.rich_help_panel
    return named if isinstance(named, str) else ""


app = typer.Typer(
    name="unmask",
    cls=Listed,
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


for group in (services, checks, people, kept, tools):
    app.add_typer(group.app)
app.add_typer(data.app, name="data", rich_help_panel=Panel.TRAIN)
for group in (learning, model):
    app.add_typer(group.app)
app.add_typer(bench, name="bench", rich_help_panel=Panel.MEASURE)
