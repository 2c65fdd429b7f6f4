"""What many commands have: options, and where --help lists them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wire.settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings; else ./unmask.yaml if there is one.")
]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="The page's port; 0 takes any free one.")]


class Panel(StrEnum):
    """The parts in which --help lists the commands, in this order."""

    WATCH = "Watch"
    CAMERAS = "Cameras"
    ALERTS = "Alerts"
    MEASURE = "Measure"
    TRAIN = "Train"
    OPERATE = "Operate"
    SERVICES = "Single services"


def load(config: Path | None) -> Settings:
    """The settings that `--config` names, imported late: --help answers at once. Raises ConfigError."""
    from wire import settings

    return settings.load(config)
