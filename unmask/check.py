"""`unmask check`: the configuration is known to be valid when this runs; here Redis, the checkpoint and cameras are."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask import parts
from unmask.finding import SHOWN, Finding, failure
from wire import bus
from wire.errors import UnmaskError
from wire.settings import Settings


def run(settings: Settings, timeout_s: float) -> int:
    """Print a table; 0 when everything works, else 1."""
    console = Console()
    found = [_redis(settings), parts.checkpoint(settings), *parts.plugins(settings), *parts.channels(settings)]
    found.append(parts.access(settings))
    with console.status(f"probing {len(settings.cameras)} cameras"):
        found += parts.cameras(settings, timeout_s)
    table = Table("", "state", "details", title="unmask check", title_justify="left")
    for finding in found:
        table.add_row(finding.part, SHOWN[finding.state], escape(_line(finding)))
    console.print(table)
    if not settings.cameras:
        console.print("no camera is configured: add one under 'cameras', unmask.example.yaml shows how")
    return 1 if any(finding.state == "failed" for finding in found) else 0


def _line(finding: Finding) -> str:
    return f"{finding.details}: {finding.remedy}" if finding.remedy else finding.details


def _redis(settings: Settings) -> Finding:
    if not settings.redis.url:
        return Finding("redis", "ok", "embedded server, started by 'unmask run'")
    try:
        with bus.connect(settings.redis.url) as client:
            server = client.info("server")
            return Finding("redis", "ok", f"version {server.get('valkey_version') or server['redis_version']}")
    except UnmaskError as error:
        return failure("redis", error)
