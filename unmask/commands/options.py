"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wire.settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings; else ./unmask.yaml if there is one.")
]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="The page's port; 0 takes any free one.")]


def load(config: Path | None) -> Settings:
    """The settings that `--config` names, imported late: --help answers at once. Raises ConfigError."""
    from wire import settings

    return settings.load(config)
