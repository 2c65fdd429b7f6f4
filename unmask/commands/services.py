"""`unmask run`, `demo`, and each service by itself; `health`, for containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unmask.commands.options import Config, Panel, Port, load

if TYPE_CHECKING:
    from wire.settings import Settings

app = typer.Typer()


@app.command(rich_help_panel=Panel.WATCH, epilog="Example: unmask run --config unmask.yaml")
def run(config: Config = None, port: Port = None) -> None:
    """Watch the configured cameras: everything in one, with an embedded server unless Redis is configured."""
    from unmask import start

    raise typer.Exit(start.run(config, port))


@app.command(rich_help_panel=Panel.WATCH, epilog="Example: unmask demo --port 0")
def demo(port: Port = None) -> None:
    """Watch two virtual cameras, one showing a real face, one a manipulated one."""
    from unmask.demo import play

    raise typer.Exit(play.run(port))


@app.command(rich_help_panel=Panel.SERVICES, epilog="Example: REDIS_URL=redis://127.0.0.1:6379/0 unmask streamer")
def streamer(config: Config = None) -> None:
    """Run one streamer: cameras in, face windows out to Redis."""
    settings = _service(config)
    from unmask import runner

    raise typer.Exit(runner.run_streamer(settings, config))


@app.command(rich_help_panel=Panel.SERVICES, epilog="Example: REDIS_URL=redis://127.0.0.1:6379/0 unmask worker")
def worker(config: Config = None) -> None:
    """Run one worker: windows in from Redis, scores and alerts out."""
    settings = _service(config)
    from worker import service

    service.run(settings)


@app.command(
    rich_help_panel=Panel.SERVICES, epilog="Example: REDIS_URL=redis://127.0.0.1:6379/0 unmask dashboard --port 8008"
)
def dashboard(config: Config = None, port: Port = None) -> None:
    """Run one dashboard: the page, the subscriptions and the health checks on one port."""
    settings = _service(config)
    from dashboard import service
    from unmask.start import with_port

    service.run(with_port(settings, port))


def _service(config: Path | None) -> Settings:
    settings = load(config)
    from unmask.runner import require_redis

    require_redis(settings)
    return settings


@app.command(hidden=True)
def health(
    role: Annotated[str, typer.Argument(metavar="streamer|worker|dashboard", help="Which service.")],
    live: Annotated[bool, typer.Option("--live", help="Exit 1 only where a restart would mend it.")] = False,
    config: Config = None,
) -> None:
    """Exit 0 if this host's service of that role is alive by its heartbeat: what a container's health check runs."""
    from unmask import probes

    raise typer.Exit(probes.live(role, config) if live else probes.health(role, load(config)))
