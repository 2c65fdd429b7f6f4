"""`unmask run`: what is settled before the runner starts: the settings, and the webcam where nothing is configured."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from unmask import runner
from wire import settings
from wire.settings import Settings


def run(config: Path | None, port: int | None) -> int:
    """Run with the settings of `config`; the exit code."""
    loaded = settings.load(config)
    if config is None and settings.DEFAULT_FILE.exists():
        config = settings.DEFAULT_FILE
    if not loaded.cameras and _webcam_wanted():
        os.environ["UNMASK_CAMERAS"] = '{"webcam": {"url": "webcam:0"}}'  # where the services read it, too
        loaded = settings.load(config)
    return runner.run(with_port(loaded, port), config)


def with_port(loaded: Settings, port: int | None) -> Settings:
    """The settings with the dashboard on `port`, unless it is None."""
    if port is None:
        return loaded
    return loaded.model_copy(update={"dashboard": loaded.dashboard.model_copy(update={"port": port})})


def _webcam_wanted() -> bool:
    """Ask, on a terminal, where a camera device is plausible."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    if sys.platform == "linux" and not Path("/dev/video0").exists():
        return False
    return typer.confirm("No camera is configured. Watch this machine's webcam?", default=True, err=True)
