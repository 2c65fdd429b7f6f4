"""What a process leaves behind when it fails: traces without credentials, and no memory dump."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType

from wire.redact import redact


def guard() -> None:
    """Redact whatever Python or a library would print by itself, and have no core file written. Idempotent."""
    _no_core_file()
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    if logging.lastResort:  # serves every logger that nobody gave a handler: asyncio's, uvicorn's, redis', Apprise's
        logging.lastResort.setFormatter(_Redacting("%(levelname)s %(name)s: %(message)s"))


class _Redacting(logging.Formatter):
    """A line, and its trace, without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return redact(super().format(record))


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    _print(kind, error, trace, "")


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is not SystemExit:
        name = arguments.thread.name if arguments.thread else "?"
        _print(arguments.exc_type, arguments.exc_value, arguments.exc_traceback, f"in thread {name}:\n")


def _print(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None, where: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(redact(where + "".join(traceback.format_exception(kind, error, trace))))
        sys.stderr.flush()


def _no_core_file() -> None:
    """A core file holds every password. The limit of 1 byte is also what the kernel asks of one it would pipe on."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    limit = 1 if most == resource.RLIM_INFINITY else min(1, most)
    resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
