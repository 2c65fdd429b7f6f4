"""A dashboard, a real Redis, and a real OTLP/HTTP receiver that decodes what it gets."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dashboard.spans import trace_id
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.receiver import Receiver
from tests.support.servers import free_port, wait_until
from tests.unmask.test_cli import assert_one_line, call
from wire.settings import TracesSettings


@pytest.fixture
def collector() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def taken(collector: Receiver) -> list[tuple[str, Span]]:
    """The service and the span of everything that was sent."""
    found = []
    for headers, body in list(collector.taken):
        request = ExportTraceServiceRequest()
        request.ParseFromString(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
        for group in request.resource_spans:
            [service] = [one.value.string_value for one in group.resource.attributes if one.key == "service.name"]
            found += [(service, span) for scope in group.scope_spans for span in scope.spans]
    return found


def spans_of(collector: Receiver) -> set[bytes]:
    """The ids of all spans that were sent; a request without an answer in time is sent again."""
    return {span.span_id for _, span in taken(collector)}


def test_from_capture_to_alert(dashboard: Callable[..., Running], feed: Feed, collector: Receiver) -> None:
    running = dashboard(traces=TracesSettings(endpoint=collector.url, sample=0), stale_after_s=60).synced()
    feed.score(track="9-9")  # not taken
    at = time.time() - 0.3
    first = feed.score(track="1-1", captured=at, window="door/1-1/7", p_fake=0.9)
    feed.alert(camera="door", track="1-1", updated=first.captured)
    wait_until(lambda: len(running.hub.alerts.open()) == 1, 15, "the alert is read")
    feed.score(track="1-1", captured=at, window="door/1-1/7", p_fake=0.9)  # its score, which comes after it
    wait_until(lambda: len(spans_of(collector)) == 9, 15, "window and alert, which may come in parts")
    found = taken(collector)
    assert {span.trace_id for _, span in found} == {trace_id("door", "1-1", at).to_bytes(16)}
    by_name = {(service.removeprefix("unmask-"), span.name): span for service, span in found}
    window = by_name["streamer", "window"]
    assert by_name["worker", "alert new"].parent_span_id == window.span_id
    for service, name in (
        ("streamer", "capture"), ("streamer", "encode"), ("worker", "queue"), ("worker", "score"), ("worker", "commit"),
        ("dashboard", "fan-out"),
    ):  # fmt: skip
        span = by_name[service, name]
        assert window.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    about = {one.key: one.value.string_value for one in window.attributes}
    assert (about["unmask.window"], about["unmask.camera"]) == ("door/1-1/7", "door")


def test_a_share_and_what_waits_when_it_ends(
    dashboard: Callable[..., Running], feed: Feed, collector: Receiver
) -> None:
    running = dashboard(traces=TracesSettings(endpoint=collector.url, sample=1), stale_after_s=60).synced()
    feed.score()
    wait_until(lambda: running.hub.system.latencies.quantiles(time.time())[0].count, 15, "the score is read")
    running.stop()
    assert len(spans_of(collector)) == 7


def test_off_nothing_of_it_is_loaded(dashboard: Callable[..., Running]) -> None:
    assert dashboard().hub.traces is None


def test_a_collector_that_is_not_there_keeps_nobody(dashboard: Callable[..., Running], feed: Feed) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/v1/traces"
    running = dashboard(traces=TracesSettings(endpoint=endpoint, sample=1)).synced()
    feed.score()
    wait_until(lambda: running.hub.system.latencies.quantiles(time.time())[0].count, 15, "the score is read")
    began = time.monotonic()
    running.stop()
    assert time.monotonic() - began < 15, "it is waited for TIMEOUT_S at most"


def test_an_endpoint_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "unmask.yaml").write_text("telemetry: {traces: {endpoint: 'localhost:4318'}}")
    assert_one_line(call("dashboard", cwd=tmp_path), 2, "telemetry.traces.endpoint")
