"""`unmask schema`, `discover`, `man`: what helps to set it up."""

from __future__ import annotations

from typing import Annotated

import typer

from unmask.commands.options import Panel

app = typer.Typer()


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask schema > unmask.schema.json")
def schema() -> None:
    """Print the JSON Schema of unmask.yaml, for editors that complete and check it while it is written."""
    from wire import schema as schemas

    typer.echo(schemas.schema())


@app.command(rich_help_panel=Panel.CAMERAS, epilog="Example: unmask discover --login --yaml")
def discover(
    address: Annotated[
        list[str] | None, typer.Argument(metavar="ADDRESS", help="Ask these alone; else everyone in the network.")
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


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask man | man -l -")
def man(context: typer.Context) -> None:
    """Print the manual page: 'unmask man | man -l -' shows it, with every command and option."""
    from importlib.metadata import version

    from unmask import manual

    typer.echo(manual.page(context.find_root().command, version("unmask")), nl=False)
