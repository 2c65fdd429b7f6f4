"""Sends the spans of some windows, and of all that raised an alert, to an OpenTelemetry collector by OTLP over HTTP."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from importlib.metadata import version

from dashboard import spans
from dashboard.spans import Span
from wire.errors import ServiceError
from wire.messages import AlertEvent, Role, Score
from wire.redact import redact
from wire.settings import TracesSettings
from wire.telemetry import Log, Throttle

try:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.trace import SpanContext, TraceFlags
except ImportError:
    raise ServiceError(
        "telemetry.traces.endpoint is set and OpenTelemetry is not installed",
        "pip install 'unmask[otel]', or unset it",
    ) from None

TIMEOUT_S = 2.0  # of one request, its repetitions included
DELAY_MS = 1000
QUEUE = 4096  # spans that wait for a collector; more are dropped
RAISED = 1024  # windows that raised an alert and whose score is still to come
LOG_S = 60.0


class Traces:
    """Takes what the hub reads. Never blocks: a thread of its own delivers."""

    def __init__(self, settings: TracesSettings, name: str, log: Log) -> None:
        assert settings.endpoint is not None
        self._share = settings.sample
        self._raised: OrderedDict[int, None] = OrderedDict()
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # _Told tells, as one line
        sender = OTLPSpanExporter(endpoint=settings.endpoint, timeout=TIMEOUT_S)
        self._queue = BatchSpanProcessor(
            _Told(sender, redact(settings.endpoint), log), max_queue_size=QUEUE, schedule_delay_millis=DELAY_MS
        )
        about = {"service.version": version("unmask"), "service.instance.id": name}
        self._whose: dict[Role, Resource] = {
            role: Resource({"service.name": f"unmask-{role}", **(about if role == "dashboard" else {})})
            for role in ("streamer", "worker", "dashboard")
        }

    def score(self, score: Score, committed: float, seen: float) -> None:
        """A score came; `committed`: when Redis took it."""
        trace = spans.trace_id(score.camera, score.track, score.captured)
        if spans.taken(trace, self._share) or trace in self._raised:
            self._raised.pop(trace, None)
            self._send(spans.of_score(score, committed, seen))

    def alert(self, event: AlertEvent, committed: float, seen: float) -> None:
        """An alert event came. Told before the scores of the same reading, so that its window is taken, too."""
        found = spans.of_alert(event, committed, seen)
        if found:
            self._raised[found[0].trace] = None
            while len(self._raised) > RAISED:
                self._raised.popitem(last=False)
            self._send(found)

    def close(self) -> None:
        """Deliver what waits, for TIMEOUT_S at most."""
        self._queue.shutdown()  # type: ignore[no-untyped-call]

    def _send(self, found: Sequence[Span]) -> None:
        for span in found:
            start, end = round(span.start * 1e9), round(span.end * 1e9)
            parent = None if span.parent is None else _context(span.trace, span.parent)
            about = (_context(span.trace, span.id), parent, self._whose[span.role], span.attributes)
            self._queue.on_end(ReadableSpan(span.name, *about, start_time=start, end_time=end))


def _context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace, span, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))


class _Told(SpanExporter):
    """Another exporter, whose failures are told once a minute."""

    def __init__(self, exporter: SpanExporter, endpoint: str, log: Log) -> None:
        self._exporter, self._endpoint, self._log = exporter, endpoint, log
        self._throttle = Throttle(time.monotonic, LOG_S)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS and (held := self._throttle.admit("traces")) is not None:
            self._log.warning("traces not delivered", endpoint=self._endpoint, spans=len(spans), held_back=held)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
