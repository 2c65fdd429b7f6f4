"""`unmask check`: the configuration is known to be valid when this runs; here Redis, the checkpoint and cameras are."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from rich.console import Console
from rich.table import Table

from streamer.probe import Probe, probe
from wire import bus
from wire.errors import UnmaskError
from wire.keys import Keys
from wire.settings import Settings

OK, BAD = "[green]ok[/]", "[bold red]failed[/]"


def run(settings: Settings, timeout_s: float) -> int:
    """Print a table; 0 when everything works, else 1."""
    console = Console()
    rows = [_redis(settings), _checkpoint(settings), *_channels(settings), _access(settings)]
    with console.status(f"probing {len(settings.cameras)} cameras"):
        rows += _cameras(settings, timeout_s)
    table = Table("", "state", "details", title="unmask check", title_justify="left")
    for name, good, details in rows:
        table.add_row(name, OK if good else BAD, details)
    console.print(table)
    if not settings.cameras:
        console.print("no camera is configured: add one under 'cameras', unmask.example.yaml shows how")
    return 0 if all(good for _, good, _ in rows) else 1


def _redis(settings: Settings) -> tuple[str, bool, str]:
    if not settings.redis.url:
        return "redis", True, "embedded server, started by 'unmask run'"
    try:
        with bus.connect(settings.redis.url) as client:
            server = client.info("server")
            return "redis", True, f"version {server.get('valkey_version') or server['redis_version']}"
    except UnmaskError as error:
        return "redis", False, str(error)


def _checkpoint(settings: Settings) -> tuple[str, bool, str]:
    from worker.scorer import Scorer

    try:
        scorer = Scorer(settings)
        note = f"; {scorer.caveat}" if scorer.caveat else ""
        return "checkpoint", True, f"{scorer.model} on {scorer.device}{note}"
    except UnmaskError as error:
        return "checkpoint", False, str(error)


def _channels(settings: Settings) -> list[tuple[str, bool, str]]:
    """The notification channels, validated; a message is sent by `unmask notify-test` only."""
    from dashboard.notify.build import channels

    try:
        found = channels(settings.notify, None, Keys(settings.redis.prefix))
    except UnmaskError as error:
        return [("notify", False, str(error))]
    return [(channel.name, True, "valid; 'unmask notify-test' sends a message") for channel in found]


def _access(settings: Settings) -> tuple[str, bool, str]:
    """Who may come in to the dashboard."""
    from dashboard.access.users import configured

    try:
        access = configured(settings.dashboard)
    except UnmaskError as error:
        return "access", False, str(error)
    if access.open:
        return "access", True, "nobody has to sign in"
    words = [f"{len(access.users)} users"] * bool(access.users) + ["a token"] * (access.token is not None)
    return "access", True, " and ".join(words)


def _cameras(settings: Settings, timeout_s: float) -> list[tuple[str, bool, str]]:
    """All cameras at once: a silent one must not make the others wait."""
    if not settings.cameras:
        return []
    with ThreadPoolExecutor(min(16, len(settings.cameras))) as pool:
        found = pool.map(lambda camera: probe(camera, timeout_s), settings.cameras.values())
        return [(name, result.ok, _describe(result)) for name, result in zip(settings.cameras, found, strict=True)]


def _describe(result: Probe) -> str:
    if not result.ok:
        return result.message
    width, height = result.size
    return f"{result.codec} {width}x{height} at {result.fps:.3g} frames/s"
