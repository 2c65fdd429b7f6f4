"""Logs: structured, to standard error, without credentials, and never a flood."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

import structlog

from wire import crash
from wire.redact import redact
from wire.settings import TelemetrySettings

Log = structlog.typing.FilteringBoundLogger


def setup(settings: TelemetrySettings, service: str) -> Log:
    """Configure logging for this process and return its logger, bound to the service's name."""
    crash.guard()
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, settings.log_level.upper())),
        logger_factory=lambda *_: _Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    log: Log = structlog.get_logger().bind(service=service)
    return log


class _Lines(structlog.PrintLogger):
    """Lines to a file. One that can't be written is lost, and nothing else: who logs may be a thread that nobody would
    miss until it is needed, and a disk that is full, or a reader that went away, must not end it."""

    def msg(self, message: str) -> None:
        """See structlog.PrintLogger."""
        with suppress(OSError, ValueError):  # ValueError: the file is closed
            super().msg(message)

    log = debug = info = warn = warning = fatal = failure = err = error = critical = exception = msg


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        event[key] = _redacted(value)
    return event


def _redacted(value: Any) -> Any:
    """The value without credentials at any depth; what is no plain value becomes its text first."""
    if isinstance(value, Mapping):
        return {redact(str(key)): _redacted(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(one) for one in value]
    return value if value is None or isinstance(value, int | float) else redact(str(value))


CAUSES = 256


class Throttle:
    """Lets one line per cause through in `period_s`, and tells how many it held back since. Knows the last CAUSES.

    For one thread, or under a lock.
    """

    def __init__(self, clock: Callable[[], float], period_s: float = 1.0) -> None:
        self._clock, self._period = clock, period_s
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def admit(self, cause: str) -> int | None:
        """How many lines of this cause were held back before this one, or None when this one is to be held too."""
        now = self._clock()
        last = self._last.get(cause)
        if last is not None and 0 <= now - last < self._period:
            self._held[cause] = self._held.get(cause, 0) + 1
            return None
        self._last.pop(cause, None)
        self._last[cause] = now  # the newest comes last
        if len(self._last) > CAUSES:
            oldest = next(iter(self._last))
            del self._last[oldest]
            self._held.pop(oldest, None)
        return self._held.pop(cause, 0)
