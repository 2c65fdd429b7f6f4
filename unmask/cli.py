"""The commands. What a command needs is imported once its settings are known to be valid: --help answers at once."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

if TYPE_CHECKING:
    from wire.settings import Settings


class Topic(StrEnum):
    """What can be subscribed to."""

    ALERTS = "alerts"
    SCORES = "scores"
    CAMERAS = "cameras"


app = typer.Typer(
    name="unmask",
    help="Real-time deepfake monitor: live cameras and calls in, face by face scores and alerts out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings; else ./unmask.yaml if there is one.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for Redis instead of failing when it does not answer.")]
Port = Annotated[int | None, typer.Option(min=0, max=65535, help="The page's port; 0 takes any free one.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unmask {version('unmask')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def _settings(config: Path | None) -> Settings:
    from wire import settings

    return settings.load(config)


@app.command()
def run(config: Config = None, port: Port = None) -> None:
    """Watch the configured cameras: everything in one, with an embedded server unless Redis is configured."""
    from unmask import start

    raise typer.Exit(start.run(config, port))


@app.command()
def demo(port: Port = None) -> None:
    """Watch two virtual cameras, one showing a real face, one a manipulated one."""
    from unmask.demo import play

    raise typer.Exit(play.run(port))


@app.command()
def streamer(config: Config = None, wait: Wait = False) -> None:
    """Run one streamer: cameras in, face windows out to Redis."""
    settings = _service(config, wait)
    from streamer import service

    service.run(settings)


@app.command()
def worker(config: Config = None, wait: Wait = False) -> None:
    """Run one worker: windows in from Redis, scores and alerts out."""
    settings = _service(config, wait)
    from worker import service

    service.run(settings)


@app.command()
def dashboard(config: Config = None, wait: Wait = False, port: Port = None) -> None:
    """Run one dashboard: the page, the subscriptions and the health checks on one port."""
    from unmask.start import with_port

    settings = with_port(_service(config, wait), port)
    from dashboard import service

    service.run(settings)


def _service(config: Path | None, wait: bool) -> Settings:
    from unmask.runner import require_redis

    settings = _settings(config)
    require_redis(settings, wait=wait)
    return settings


@app.command(hidden=True)
def health(role: Annotated[str, typer.Argument(metavar="streamer|worker|dashboard")], config: Config = None) -> None:
    """Exit 0 if this host's service of that role is alive by its heartbeat: what a container's health check runs."""
    from unmask import probes

    raise typer.Exit(probes.health(role, _settings(config)))


@app.command()
def watch(
    url: Annotated[str, typer.Argument(metavar="ws://HOST:PORT/ws/v1")] = "ws://127.0.0.1:8008/ws/v1",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    topic: Annotated[list[Topic] | None, typer.Option(help="What to subscribe to; repeatable.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Name or pattern, e.g. 'lobby-*'; repeatable.")] = None,
    since: Annotated[str | None, typer.Option(metavar="CURSOR", help="Replay alerts after this cursor first.")] = None,
    token: Annotated[str | None, typer.Option(envvar="UNMASK_DASHBOARD__TOKEN", help="The dashboard's token.")] = None,
) -> None:
    """Subscribe to alerts (or scores, or camera states) and print them; reconnects and resumes by itself."""
    from unmask import subscriber

    topics = cast(list[Literal["alerts", "scores", "cameras"]], [one.value for one in topic or [Topic.ALERTS]])
    subscriber.watch(url, token=token, as_json=as_json, topics=topics, cameras=camera or [], since=since)


@app.command()
def scan(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the results go; else beside each file.")
    ] = None,
    config: Config = None,
) -> None:
    """Score video files: per face a timeline, as JSON and as a PNG plot."""
    settings = _settings(config)
    from unmask import scan as scanner

    raise typer.Exit(scanner.run(files, out, settings))


@app.command()
def check(
    config: Config = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a camera counts as silent.")] = 10.0,
) -> None:
    """Validate the configuration, then probe Redis, the checkpoint and every camera."""
    settings = _settings(config)
    from unmask import check as checker

    raise typer.Exit(checker.run(settings, timeout))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(metavar="MANIFEST", help="Table of clips; its paths are relative to it.")],
    split: Annotated[str, typer.Option(help="Which of its clips.")] = "dev",
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Checkpoint; else the default one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Where plots and a page go.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Time-to-alert against false alerts, on streams.")] = False,
    condition: Annotated[
        list[str] | None, typer.Option(help="With --live: a stream, as 720p/1000k/25/loss1; repeatable.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=1440, help="With --live: stream per condition.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="With --live: two conditions, two minutes each.")] = False,
    config: Config = None,
) -> None:
    """Measure a detector: with --live, how soon it alerts and how often wrongly, on real streams."""
    settings = _settings(config)
    if not live:
        from wire.errors import UsageError

        raise UsageError("nothing to do", "add --live")
    from unmask import live as measured

    code = measured.run(
        settings, data, split, model=model, as_json=as_json, report=report,
        conditions=condition or (), minutes=minutes, quick=quick,
    )  # fmt: skip
    raise typer.Exit(code)
