"""`unmask watch --exec`: a command for every event, one after another, without a shell."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections.abc import Callable

from dashboard import protocol
from dashboard.protocol import AlertMessage
from wire.errors import UsageError

LIMIT_S = 60.0
STDERR = 2  # standard output is for events


class Runner:
    """Runs `command` with an alert event's JSON on standard input and its facts in UNMASK_* variables.

    Raises UsageError where the command is none.
    """

    def __init__(self, command: str, tell: Callable[[str], None], limit_s: float = LIMIT_S) -> None:
        try:
            self._command = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--exec: {error}", "quote the command as in a shell; no shell runs it") from None
        if not self._command or shutil.which(self._command[0]) is None:
            raise UsageError(
                f"--exec: no program {command!r}", "give a program's path, or a name on PATH, and arguments"
            )
        self._tell, self._limit_s = tell, limit_s

    async def run(self, event: AlertMessage) -> None:
        """Run it to its end; a failure is told and stops nothing. What it prints goes to standard error."""
        if failure := await self._outcome(event):
            self._tell(f"{self._command[0]}: {failure}, on {event.event} of {event.alert.id}")

    async def _outcome(self, event: AlertMessage) -> str | None:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=STDERR,
                env={**os.environ, **variables(event)}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return f"can't be run ({error.strerror})"
        try:
            async with asyncio.timeout(self._limit_s):
                await process.communicate(protocol.encode(event).encode() + b"\n")
        except TimeoutError:
            return f"killed after {self._limit_s:g} s"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # with all that it started
                await process.wait()
        return f"ended with {process.returncode}" if process.returncode else None


def variables(event: AlertMessage) -> dict[str, str]:
    """What scripts want most, without parsing."""
    alert = event.alert
    found = {
        "EVENT": event.event, "CURSOR": event.cursor, "ALERT": alert.id, "CAMERA": alert.camera, "KIND": alert.kind,
        "SEVERITY": alert.severity, "STARTED": f"{alert.started:.3f}", "SCORE": _number(alert.score),
        "PEAK": _number(alert.peak), "DETAIL": alert.detail,
    }  # fmt: skip
    return {f"UNMASK_{name}": value.replace("\0", "") for name, value in found.items()}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
