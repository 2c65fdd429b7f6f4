"""What Prometheus reads at /metrics; one registry per dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

STREAMS = ("alerts", "cameras", "scores")  # which are tailed
LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)


class WindowOutcomes(Collector):
    """unmask_windows_total, whose truth is a hash in Redis that all workers and streamers count in."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        """The counts of the last look."""
        family = CounterMetricFamily("unmask_windows", "Windows by outcome", labels=["outcome"])
        for outcome, count in sorted(self.counts.items()):
            family.add_metric([outcome], count)
        yield family


class Opinions(Collector):
    """unmask_detector_windows_total, counted like the outcomes; empty where no detector of one's own is configured."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        """The counts of the last look."""
        labels = ["detector", "version", "outcome"]
        family = CounterMetricFamily("unmask_detector_windows", "Windows a detector was asked about", labels=labels)
        for name, count in sorted(self.counts.items()):
            if len(parts := name.split(" ")) == len(labels):
                family.add_metric(parts, count)
        yield family


class Metrics:
    """All metrics of one dashboard. Gauges are set when they are asked for, by `dashboard.probes`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.outcomes = WindowOutcomes()
        self.registry.register(self.outcomes)
        self.opinions = Opinions()
        self.registry.register(self.opinions)
        self.latency = Histogram(
            "unmask_capture_to_score_seconds", "From a window's newest frame to its score",
            buckets=LATENCY_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self.stages = Histogram(
            "unmask_stage_seconds", "Of a window: ingest, queue, score, deliver, and their total", ["stage"],
            buckets=LATENCY_BUCKETS_S, registry=self.registry,
        )  # fmt: skip
        self.sent = Counter("unmask_events_sent", "Events sent to subscribers", ["type"], registry=self.registry)
        self.too_slow = Counter(
            "unmask_subscribers_too_slow", "Subscribers closed for taking nothing", registry=self.registry
        )
        self.notifications = Counter(
            "unmask_notifications",
            "Alert events by channel and outcome",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self.undecodable = Counter(
            "unmask_undecodable", "Stream entries that are no message of ours", ["stream"], registry=self.registry
        )
        for stream in STREAMS:  # a rate needs the 0 before the first 1
            self.undecodable.labels(stream)
        self.redis_up = self._gauge("unmask_redis_up", "1 when Redis answers")
        self.redis_memory = self._gauge("unmask_redis_memory_bytes", "Memory that Redis uses")
        self.redis_limit = self._gauge("unmask_redis_memory_limit_bytes", "Its maxmemory; 0: no limit")
        self.queue = self._gauge("unmask_queue_windows", "Windows that wait to be scored")
        self.queue_age = self._gauge("unmask_queue_age_seconds", "Age of the oldest window that waits")
        self.batch_fill = self._gauge(
            "unmask_batch_fill_ratio", "Windows per batch over the largest batch, in the last 10 s", "worker"
        )
        self.busy = self._gauge(
            "unmask_worker_busy_ratio", "Share of the last 10 s spent on scoring and committing", "worker"
        )
        self.cameras = self._gauge("unmask_cameras", "Cameras by state", "state")
        self.verdicts = self._gauge("unmask_camera_verdicts", "Cameras by verdict", "verdict")
        self.services = self._gauge("unmask_services_ready", "Services whose heartbeat says ready", "role")
        self.alerts_open = self._gauge("unmask_alerts_open", "Open alerts")
        self.subscribers = self._gauge("unmask_subscribers", "Connected subscribers")
        self.reviews = self._gauge("unmask_alerts_reviewed", "Alerts with an operator's review", "verdict")
        self.snoozed = self._gauge("unmask_cameras_snoozed", "Cameras on which no alert opens at present")
        self.evidence = self._gauge("unmask_evidence_alerts", "Alerts with evidence")
        self.evidence_bytes = self._gauge("unmask_evidence_bytes", "All evidence together")

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def render(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)
