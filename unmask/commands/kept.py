"""`unmask backup`, `forget`, `restore`: what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unmask.commands.options import Config, Panel, load

app = typer.Typer()


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask backup unmask.backup")
def backup(file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes.")], config: Config = None) -> None:
    """Write alerts, reviews, evidence and references to a file, while the system runs or not."""
    from unmask import backup as backing

    raise typer.Exit(backing.backup(file, load(config)))


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask forget --camera front-door")
def forget(
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="All that is kept of this camera.")] = None,
    alert: Annotated[str | None, typer.Option(metavar="ID", help="All that is kept of this alert.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    config: Config = None,
) -> None:
    """Delete faces, scores, alerts, reviews and evidence of a camera, or of one alert, for good."""
    from unmask import forget as forgetting

    raise typer.Exit(forgetting.run(load(config), camera, alert, yes))


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask restore unmask.backup --replace")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'unmask backup' wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")] = False,
    config: Config = None,
) -> None:
    """Put back what 'unmask backup' wrote, all of it or nothing; cursors of subscribers stay good."""
    from unmask import backup as backing

    raise typer.Exit(backing.restore(file, load(config), replace))
