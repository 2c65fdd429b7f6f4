"""`unmask check`, `doctor`: what is wrong here."""

from __future__ import annotations

from typing import Annotated

import typer

from unmask.commands.options import Config, Panel, load

app = typer.Typer()


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask check --timeout 5")
def check(
    config: Config = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a camera counts as silent.")] = 10.0,
) -> None:
    """Validate the configuration, then probe Redis, the checkpoint and every camera."""
    settings = load(config)
    from unmask import check as checker

    raise typer.Exit(checker.run(settings, timeout))


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask doctor --json")
def doctor(
    config: Config = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a camera counts as silent.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at everything Unmask needs here, say what is wrong and what to do; exit 1 when something failed."""
    settings = load(config)
    from unmask.doctor import page

    raise typer.Exit(page.run(settings, config, timeout, as_json))
