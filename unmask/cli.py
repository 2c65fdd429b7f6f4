"""The commands. What a command needs is imported once its settings are known to be valid: --help answers at once."""

from __future__ import annotations

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from unmask.bench.commands import bench
from unmask.commands import kept

if TYPE_CHECKING:
    from wire.settings import Settings


class Topic(StrEnum):
    """What can be subscribed to."""

    ALERTS = "alerts"
    SCORES = "scores"
    CAMERAS = "cameras"


class Kind(StrEnum):
    """Kinds of alerts: of a face, of a camera."""

    SUSTAINED = "sustained"
    SPIKE = "spike"
    OFFLINE = "offline"
    FROZEN = "frozen"
    NO_FACE = "no-face"


class Level(StrEnum):
    """Severities of alerts."""

    WARNING = "warning"
    CRITICAL = "critical"


class Transition(StrEnum):
    """What happens to an alert."""

    NEW = "new"
    UPDATE = "update"
    END = "end"
    REVIEW = "review"


class UserRole(StrEnum):
    """What a user may do: see; judge and snooze, too; everything."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Init(StrEnum):
    """What weights training begins with."""

    RANDOM = "random"
    IMAGENET = "imagenet"


class Device(StrEnum):
    """Where a network is trained."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


app = typer.Typer(
    name="unmask",
    help="Real-time deepfake monitor: live cameras and calls in, face by face scores and alerts out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings; else ./unmask.yaml if there is one.")
]
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
def streamer(config: Config = None) -> None:
    """Run one streamer: cameras in, face windows out to Redis."""
    settings = _service(config)
    from unmask import runner

    raise typer.Exit(runner.run_streamer(settings, config))


@app.command()
def worker(config: Config = None) -> None:
    """Run one worker: windows in from Redis, scores and alerts out."""
    settings = _service(config)
    from worker import service

    service.run(settings)


@app.command()
def dashboard(config: Config = None, port: Port = None) -> None:
    """Run one dashboard: the page, the subscriptions and the health checks on one port."""
    from unmask.start import with_port

    settings = with_port(_service(config), port)
    from dashboard import service

    service.run(settings)


def _service(config: Path | None) -> Settings:
    from unmask.runner import require_redis

    settings = _settings(config)
    require_redis(settings)
    return settings


@app.command(hidden=True)
def health(
    role: Annotated[str, typer.Argument(metavar="streamer|worker|dashboard")],
    live: Annotated[bool, typer.Option("--live", help="Exit 1 only where a restart would mend it.")] = False,
    config: Config = None,
) -> None:
    """Exit 0 if this host's service of that role is alive by its heartbeat: what a container's health check runs."""
    from unmask import probes

    raise typer.Exit(probes.live(role, config) if live else probes.health(role, _settings(config)))


@app.command()
def watch(
    url: Annotated[str, typer.Argument(metavar="ws://HOST:PORT/ws/v1")] = "ws://127.0.0.1:8008/ws/v1",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    topic: Annotated[list[Topic] | None, typer.Option(help="What to subscribe to; repeatable.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Name or pattern, e.g. 'lobby-*'; repeatable.")] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Alerts of this kind; repeatable.")] = None,
    severity: Annotated[list[Level] | None, typer.Option(help="Alerts of this severity; repeatable.")] = None,
    event: Annotated[list[Transition] | None, typer.Option(help="These transitions; repeatable.")] = None,
    execute: Annotated[
        str | None,
        typer.Option("--exec", metavar="CMD", help="Run this for each alert event: JSON on its input, UNMASK_* set."),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="CURSOR", help="Replay alerts after this cursor first.")] = None,
    token: Annotated[str | None, typer.Option(envvar="UNMASK_DASHBOARD__TOKEN", help="The dashboard's token.")] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="wss://: its authority or certificate, PEM; else the system's.")
    ] = None,
) -> None:
    """Subscribe to alerts (or scores, or camera states) and print them; reconnects and resumes by itself."""
    from unmask import subscriber

    subscriber.watch(
        url, token=token, as_json=as_json, topics=[one.value for one in topic or [Topic.ALERTS]], cameras=camera or [],
        kinds=[one.value for one in kind or []], severities=[one.value for one in severity or []],
        events=[one.value for one in event or []], execute=execute, since=since, ca=ca,
    )  # fmt: skip


@app.command()
def token(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    role: Annotated[UserRole, typer.Option(help="viewer sees, operator judges and snoozes, admin may do everything.")],
    camera: Annotated[
        list[str] | None, typer.Option(help="Name or pattern, e.g. 'lobby-*'; repeatable; none: all cameras.")
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a password instead of making a token.")] = False,
) -> None:
    """Make a user of the dashboard: print a token, once, and the lines for the configuration. Nothing is stored."""
    from unmask import users

    raise typer.Exit(users.run(name, role.value, camera or [], password))


@app.command("notify-test")
def notify_test(config: Config = None) -> None:
    """Send a test message through every configured notification channel."""
    settings = _settings(config)
    from unmask import notify

    raise typer.Exit(notify.run(settings))


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
def convert(
    old: Annotated[Path, typer.Argument(metavar="OLD.pt")],
    new: Annotated[Path, typer.Argument(metavar="NEW.safetensors")],
    readout: Annotated[
        Literal["last", "mean"], typer.Option(help="The newest frame's state, as served; or the mean, as trained.")
    ] = "last",
    frames: Annotated[int, typer.Option(min=2, max=64, help="Crops in a window (T): window.frames.")] = 16,
    name: Annotated[str, typer.Option(help="Start of the model id; else lineage-baseline-READOUT.")] = "",
) -> None:
    """Convert a ResNeXt-50 + LSTM state dict (.pt) of the community's layout to a checkpoint."""
    from unmask import convert as converter

    converter.run(old, new, readout, frames, name)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(metavar="MANIFEST", help="Table of clips; its paths are relative to it.")],
    split: Annotated[str | None, typer.Option(help="Which of its clips; else all.")] = None,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="The checkpoint; else the default one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    report: Annotated[Path | None, typer.Option(metavar="DIR", help="Write plots and a page there.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Time-to-alert against false alerts, on streams.")] = False,
    condition: Annotated[
        list[str] | None, typer.Option(help="With --live: a stream, as 720p/1000k/25/loss1; repeatable.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=1, max=1440, help="With --live: stream per condition.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="With --live: two conditions, a few minutes each.")] = False,
    robust: Annotated[bool, typer.Option("--robust", help="What attacks and rough handling change.")] = False,
    source: Annotated[list[str] | None, typer.Option(help="Clips of this source, or pattern; repeatable.")] = None,
    reals_from: Annotated[list[str] | None, typer.Option(help="And this source's real clips; repeatable.")] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Write the AUC into the checkpoint; 'swaps' is on the page."),
    ] = None,
    cache: Annotated[Path | None, typer.Option(metavar="DIR", help="Keeps faces found; else the user's cache.")] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Find the faces anew and keep none.")] = False,
    config: Config = None,
) -> None:
    """Measure a checkpoint on labelled clips through the code that serves; with --live, on streams made of them."""
    settings = _settings(config)
    if live:
        from unmask import live as streams

        raise typer.Exit(
            streams.run(
                settings, data, split or "dev", model=model, as_json=as_json, report=report, conditions=condition or (),
                minutes=minutes, quick=quick,
            )
        )  # fmt: skip
    from unmask.evaluate import command

    request = command.Request(
        data=data, model=model, split=split, sources=source or (), reals_from=reals_from or (), as_json=as_json,
        report=report, cache=cache, keep=not no_cache, robust=robust, store=store,
    )  # fmt: skip
    raise typer.Exit(command.run(request, settings))


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
def doctor(
    config: Config = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a camera counts as silent.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at everything Unmask needs here, say what is wrong and what to do; exit 1 when something failed."""
    settings = _settings(config)
    from unmask.doctor import page

    raise typer.Exit(page.run(settings, config, timeout, as_json))


@app.command()
def enrol(
    camera: Annotated[str, typer.Option(metavar="NAME", help="The camera, as the running system calls it.")],
    minutes: Annotated[float, typer.Option(min=0.01, max=1440, help="How long its picture is known to be real.")] = 5.0,
    show: Annotated[bool, typer.Option("--show", help="Only say what the camera's reference is.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Only take the camera's reference away.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Enrol it even where it scores like a fake.")] = False,
    config: Config = None,
) -> None:
    """While a camera's picture is known to be real: make what it scores the reference of its later scores."""
    from wire.errors import UsageError

    if show and remove:
        raise UsageError("--show and --remove at once", "choose one of them")
    settings = _settings(config)
    from unmask import enrol as enrolling

    if show or remove:
        raise typer.Exit((enrolling.show if show else enrolling.remove)(settings, camera))
    raise typer.Exit(enrolling.run(settings, camera, minutes, force))


@app.command("export-feedback")
def export_feedback(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The same one again adds what is new.")],
    config: Config = None,
) -> None:
    """Write the crops of reviewed alerts and a manifest of them for 'unmask train --data DIR'."""
    settings = _settings(config)
    from unmask import feedback

    raise typer.Exit(feedback.run(folder, settings))


@app.command()
def train(
    data: Annotated[
        list[Path],
        typer.Option(metavar="PATH", help="A data set's folder, a manifest, or a store of faces; repeatable."),
    ],
    run: Annotated[Path, typer.Option(metavar="DIR", help="The run: state, log, checkpoint. The same one goes on.")],
    recipe: Annotated[Path | None, typer.Option(metavar="FILE", help="YAML; else the default recipe.")] = None,
    init: Annotated[Init | None, typer.Option(help="Weights to begin with; else the recipe's.")] = None,
    passes: Annotated[int | None, typer.Option(min=1, help="Images until the end; else the recipe's.")] = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = Device.AUTO,
    threads: Annotated[int, typer.Option(min=0, help="PyTorch's threads; 0: as many as there are cores.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that make batches; about 8 feed a GPU.")] = 1,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Else checkpoint.safetensors in the run.")] = None,
    name: Annotated[
        str, typer.Option(help="The model's name; its id adds 8 digits of the weights' sha256.")
    ] = "custom",
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard's files to DIR.")] = False,
    config: Config = None,
) -> None:
    """Train a detector on your own data and write a calibrated checkpoint. Stop it any time: it goes on."""
    from unmask import train as trainer

    trainer.tune_memory()
    code = trainer.run(
        data, run, recipe, _settings(config), init=None if init is None else init.value, passes=passes,
        device=device.value, threads=threads, workers=workers, out=out, name=name, tensorboard=tensorboard,
    )  # fmt: skip
    raise typer.Exit(code)


app.add_typer(bench, name="bench")
app.add_typer(kept)

data = typer.Typer(help="Prepare data for training and evaluation.", no_args_is_help=True)
app.add_typer(data, name="data")
Exclude = Annotated[
    Path | None, typer.Option(metavar="MANIFEST", help="Leave out every group that a dev clip of this manifest is of.")
]


@data.command()
def index(
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Else DIR/manifest.tsv; -: standard output.")] = None,
    split_seed: Annotated[str, typer.Option(help="Another seed, another dev split.")] = "unmask-1",
    exclude: Exclude = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a manifest that is there.")] = False,
) -> None:
    """Make a manifest of FaceForensics++, Celeb-DF, DFDC or real/ and fake/ folders below DIR."""
    from unmask.data import index as indexing

    raise typer.Exit(indexing.run(folder, out, split_seed, exclude, force))


@data.command()
def fakes(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the clips and their manifest go.")],
    split: Annotated[str, typer.Option(help="Whose real clips are used.")] = "dev",
    seed: Annotated[int, typer.Option(help="Another seed, other fakes.")] = 7,
    config: Config = None,
) -> None:
    """Make self-blended and self-driven clips of a manifest's real ones, to measure a detector on."""
    settings = _settings(config)
    from unmask.data import fakes as making

    raise typer.Exit(making.run(manifest, out, split, settings, seed))


@data.command()
def faces(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="The store; else MANIFEST's name + .faces.")] = None,
    windows: Annotated[int, typer.Option(min=1, help="Runs of crops taken from a clip, at most.")] = 4,
    frames: Annotated[int, typer.Option(min=2, max=64, help="Crops in a run (T).")] = 16,
    split: Annotated[list[str] | None, typer.Option(help="Only this split; repeatable.")] = None,
    exclude: Exclude = None,
    processes: Annotated[int | None, typer.Option(min=1, help="Else one for each core.")] = None,
    config: Config = None,
) -> None:
    """Find, follow and store the faces of a manifest's clips and pictures, once; goes on where it was stopped."""
    settings = _settings(config)
    from unmask.data import faces as storing

    raise typer.Exit(storing.run(manifest, out, settings, windows, frames, split or [], exclude, processes))
