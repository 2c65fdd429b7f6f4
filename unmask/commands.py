"""`unmask backup`, `restore`, `forget`, `schema`, `man`, `discover`. What a command needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings; else ./unmask.yaml if there is one.")
]
kept = typer.Typer()


@kept.command()
def backup(file: Annotated[Path, typer.Argument(metavar="FILE")], config: Config = None) -> None:
    """Write alerts, reviews, evidence and references to a file, while the system runs or not."""
    from unmask import backup as backing
    from wire import settings

    raise typer.Exit(backing.backup(file, settings.load(config)))


@kept.command()
def forget(
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="All that is kept of this camera.")] = None,
    alert: Annotated[str | None, typer.Option(metavar="ID", help="All that is kept of this alert.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    config: Config = None,
) -> None:
    """Delete faces, scores, alerts, reviews and evidence of a camera, or of one alert, for good."""
    from unmask import forget as forgetting
    from wire import settings

    raise typer.Exit(forgetting.run(settings.load(config), camera, alert, yes))


@kept.command()
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")] = False,
    config: Config = None,
) -> None:
    """Put back what 'unmask backup' wrote, all of it or nothing; cursors of subscribers stay good."""
    from unmask import backup as backing
    from wire import settings

    raise typer.Exit(backing.restore(file, settings.load(config), replace))


@kept.command()
def schema() -> None:
    """Print the JSON Schema of unmask.yaml, for editors that complete and check it while it is written."""
    from wire import schema as schemas

    typer.echo(schemas.schema())


@kept.command()
def discover(
    address: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS...]", help="Ask these alone; else everyone in the network.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(min=0.1, max=600, help="Seconds to wait for answers; then, at most, for each camera's streams."),
    ] = 4.0,
    login: Annotated[
        bool, typer.Option("--login", help="Log in for the streams, as CAMERA_USER with CAMERA_PASSWORD, or typed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="Print the cameras as they go into unmask.yaml.")] = False,
) -> None:
    """Find the ONVIF cameras of the local network: name, address, model, streams; exit 1 where none answers."""
    from unmask.discover import command

    raise typer.Exit(command.run(address or [], timeout, login, as_json, yaml))


@kept.command()
def man(context: typer.Context) -> None:
    """Print the manual page: 'unmask man | man -l -' shows it, with every command and option."""
    from importlib.metadata import version

    from unmask import manual

    typer.echo(manual.page(context.find_root().command, version("unmask")), nl=False)
