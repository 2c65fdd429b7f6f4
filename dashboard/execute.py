"""`unmask watch --exec`: a command for every event, one after another, without a shell."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable

from dashboard import protocol
from dashboard.protocol import AlertMessage
from wire.errors import UsageError

LIMIT_S = 60.0


class Runner:
    """Runs `command` with an alert event's JSON on standard input and its facts in UNMASK_* variables.

    Raises UsageError where the command is none.
    """

    def __init__(self, command: str, tell: Callable[[str], None], limit_s: float = LIMIT_S) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--exec: {error}", "quote the command as in a shell; no shell runs it") from None
        if not self._command:
            raise UsageError("--exec: no command", "give a program and its arguments")
        self._tell, self._limit_s = tell, limit_s

    async def run(self, event: AlertMessage) -> None:
        """Run it to its end; a failure is told and stops nothing."""
        name = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, env={**os.environ, **variables(event)}
            )
        except OSError as error:
            raise UsageError(f"--exec: {name} can't be run ({error.strerror})", "give a program's path") from None
        try:
            async with asyncio.timeout(self._limit_s):
                await process.communicate(protocol.encode(event).encode() + b"\n")
        except TimeoutError:
            process.kill()
            await process.wait()
            self._tell(f"{name}: killed after {self._limit_s:g} s, on {event.event} of {event.alert.id}")
            return
        if process.returncode:
            self._tell(f"{name}: ended with {process.returncode}, on {event.event} of {event.alert.id}")


def variables(event: AlertMessage) -> dict[str, str]:
    """What scripts want most, without parsing."""
    alert = event.alert
    found = {
        "EVENT": event.event, "CURSOR": event.cursor, "ALERT": alert.id, "CAMERA": alert.camera, "KIND": alert.kind,
        "SEVERITY": alert.severity, "STARTED": f"{alert.started:.3f}", "SCORE": _number(alert.score),
        "PEAK": _number(alert.peak), "DETAIL": alert.detail,
    }  # fmt: skip
    return {f"UNMASK_{name}": value for name, value in found.items()}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
