"""`unmask watch`, `token`, `notify-test`: who is told, and who may look."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from unmask.commands.options import Config, Panel, load

app = typer.Typer()


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


@app.command(
    rich_help_panel=Panel.ALERTS, epilog="Example: unmask watch --json --camera 'lobby-*' ws://127.0.0.1:8008/ws/v1"
)
def watch(
    url: Annotated[
        str, typer.Argument(metavar="ws://HOST:PORT/ws/v1", help="A dashboard's; wss:// where it serves TLS.")
    ] = "ws://127.0.0.1:8008/ws/v1",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    topic: Annotated[list[Topic] | None, typer.Option(help="What to subscribe to; repeatable.")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="Name or pattern, e.g. 'lobby-*'; repeatable.")] = None,
    kind: Annotated[list[Kind] | None, typer.Option(help="Alerts of this kind; repeatable.")] = None,
    severity: Annotated[list[Level] | None, typer.Option(help="Alerts of this severity; repeatable.")] = None,
    event: Annotated[list[Transition] | None, typer.Option(help="These transitions; repeatable.")] = None,
    execute: Annotated[
        str | None,
        typer.Option(
            "--exec",
            metavar="CMD",
            help="Run this for each alert event, JSON on its input, UNMASK_* set; without a shell: sh -c '...' is one.",
        ),
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


@app.command(rich_help_panel=Panel.OPERATE, epilog="Example: unmask token anna --role viewer --camera 'lobby-*'")
def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, and _ . @ - after the first.")],
    role: Annotated[UserRole, typer.Option(help="viewer sees, operator judges and snoozes, admin may do everything.")],
    camera: Annotated[
        list[str] | None, typer.Option(help="Name or pattern, e.g. 'lobby-*'; repeatable; none: all cameras.")
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a password instead of making a token.")] = False,
) -> None:
    """Make a user of the dashboard: print a token, once, and the lines for the configuration. Nothing is stored."""
    from unmask import users

    raise typer.Exit(users.run(name, role.value, camera or [], password))


@app.command("notify-test", rich_help_panel=Panel.ALERTS, epilog="Example: unmask notify-test --config unmask.yaml")
def notify_test(config: Config = None) -> None:
    """Send a test message through every configured notification channel."""
    settings = load(config)
    from unmask import notify

    raise typer.Exit(notify.run(settings))
