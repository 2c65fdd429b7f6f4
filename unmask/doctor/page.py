"""Everything at once, as one page or one JSON object."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask import parts
from unmask.doctor import files, machine, port, store
from unmask.finding import SHOWN, Finding
from wire.settings import Settings, source

NONE = Finding("cameras", "warning", "none is configured", "add one under 'cameras': unmask.example.yaml shows how")


def run(settings: Settings, config: Path | None, timeout_s: float, as_json: bool) -> int:
    """Look, print; 1 when something failed, else 0."""
    console = Console(stderr=as_json)
    with console.status(f"looking; {len(settings.cameras)} cameras have {timeout_s:g} s to answer"):
        found = look(settings, config, timeout_s)
    if as_json:
        typer.echo(json.dumps(as_object(found)))
    else:
        show(console, found)
    return 1 if failed(found) else 0


def look(settings: Settings, config: Path | None, timeout_s: float) -> list[Finding]:
    """All findings, in the page's order."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    available = machine.cores(allowed, machine.read("/sys/fs/cgroup/cpu.max"))
    return [
        machine.versions(),
        machine.processor(machine.read("/proc/cpuinfo")),
        machine.cuda(settings.worker.device),
        machine.decoding(settings.streamer.hwaccel),
        machine.capacity(settings.cameras, available),
        *store.look(settings),
        parts.checkpoint(settings),
        files.detector(settings),
        files.configuration(source(config)),
        files.state(settings),
        *parts.plugins(settings),
        *parts.channels(settings),
        parts.access(settings),
        port.look(settings),
        *(parts.cameras(settings, timeout_s) or [NONE]),
    ]


def failed(found: Sequence[Finding]) -> list[Finding]:
    """Those that keep Unmask from working."""
    return [finding for finding in found if finding.state == "failed"]


def verdict(found: Sequence[Finding]) -> str:
    """The whole in one line."""
    bad, doubtful = len(failed(found)), sum(finding.state == "warning" for finding in found)
    if not bad and not doubtful:
        return "all is well"
    counts = [f"{bad} failed"] * bool(bad) + [f"{doubtful} to look at"] * bool(doubtful)
    return " and ".join(counts)


def as_object(found: Sequence[Finding]) -> dict[str, Any]:
    """What `--json` prints."""
    return {"ok": not failed(found), "verdict": verdict(found), "findings": [finding.as_json() for finding in found]}


def show(console: Console, found: Sequence[Finding]) -> None:
    """Print the page."""
    table = Table("", "state", "details", title="unmask doctor", title_justify="left")
    for finding in found:
        table.add_row(escape(finding.part), SHOWN[finding.state], escape(finding.details))
    console.print(table)
    console.print(f"[bold]{verdict(found)}[/]")
    for finding in found:
        if finding.remedy:
            console.print(f"  {SHOWN[finding.state]} {escape(finding.part)}: {escape(finding.remedy)}")
