"""`unmask watch`: events on a terminal, one line each, or as JSON lines for a program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.text import Text

from dashboard import protocol
from dashboard.client import Client, Event
from dashboard.execute import Runner
from dashboard.protocol import AlertMessage, CameraMessage, Gap, ScoreMessage, Topic
from wire.errors import printable
from wire.messages import AlertEventName, AlertKind, Severity

_STYLES = {
    "clean": "green", "suspect": "yellow", "fake": "bold red", "unsure": "magenta", "no-face": "dim",
    "stale": "bold yellow", "offline": "bold yellow", "critical": "bold red", "warning": "yellow",
}  # fmt: skip


async def watch(
    url: str,
    *,
    token: str | None = None,
    as_json: bool = False,
    topics: Sequence[Topic] = ("alerts",),
    cameras: Sequence[str] = (),
    kinds: Sequence[AlertKind] = (),
    severities: Sequence[Severity] = (),
    events: Sequence[AlertEventName] = (),
    since: str | None = None,
    execute: str | None = None,
    ca: Path | None = None,
    out: TextIO | None = None,
) -> None:
    """Print events until cancelled; what happens to the connection goes to standard error.

    `execute` is a command that is run for every alert event before the next one is taken.

    Raises SubscribeError when the server can't be subscribed to, and BrokenPipeError when nobody reads.
    """
    out = out or sys.stdout
    client = Client(
        url, token=token, topics=topics, cameras=cameras, kinds=kinds, severities=severities, events=events,
        since=since, on_status=_tell, ca=ca,
    )  # fmt: skip
    runner = Runner(execute, _tell) if execute is not None else None
    console = Console(file=out, highlight=False, soft_wrap=True)
    async with aclosing(aiter(client)) as coming:
        async for event in coming:
            out.write(protocol.encode(event) + "\n" if as_json else _rendered(console, describe(event)))
            out.flush()
            if runner and isinstance(event, AlertMessage):
                await runner.run(event)


def _rendered(console: Console, line: Text) -> str:
    """The line with the terminal's colours; written by us, since rich ends the process on a broken pipe."""
    line.plain = printable(line.plain)
    with console.capture() as captured:
        console.print(line)
    return captured.get()


def _tell(line: str) -> None:
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def describe(event: Event) -> Text:
    """One event in one line."""
    match event:
        case AlertMessage():
            return _alert(event)
        case ScoreMessage(score=score):
            line = _line(score.captured, "score", score.verdict, score.camera)
            return line.append(f" track {score.track}  p_fake {score.p_fake:.2f}  {score.reason}".rstrip())
        case CameraMessage(camera=camera):
            line = _line(camera.updated, "camera", camera.verdict, camera.name)
            said = " ".join(camera.error.split())
            return line.append(f" {camera.state}  {camera.why}  {camera.fps:.1f} fps  {said}".rstrip())
        case Gap():
            return Text(f"events after {event.since} are lost ({event.reason})", style="bold yellow")


def _alert(message: AlertMessage) -> Text:
    alert = message.alert
    line = _line(message.at, message.event, alert.severity, alert.camera)
    line.append(f" {alert.kind}")
    if alert.score is not None and alert.peak is not None:
        line.append(f"  score {alert.score:.2f}  peak {alert.peak:.2f}  {alert.windows} windows")
    if alert.detail:
        line.append(f"  {alert.detail}")
    if alert.ended is not None:
        line.append(f"  after {alert.ended - alert.started:.0f} s ({alert.end_reason})")
    return line.append(f"  {alert.id}  {alert.model}", style="dim")


def _line(at: float | None, what: str, level: str, camera: str) -> Text:
    """The columns all lines begin with."""
    clock = datetime.fromtimestamp(at).strftime("%H:%M:%S") if at else "--:--:--"
    line = Text(f"{clock}  ", style="dim")
    line.append(f"{what:<7}", style="bold")
    line.append(f"{level:<9}", style=_STYLES.get(level, ""))
    return line.append(f"{camera:<16}", style="cyan")
