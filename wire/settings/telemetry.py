"""Settings of logs and traces."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wire.settings.section import Section


class TracesSettings(Section):
    """Windows and their alerts as OpenTelemetry traces, sent by the dashboard."""

    endpoint: str | None = Field(
        None, pattern=r"^https?://\S+$", description="OTLP over HTTP, as http://127.0.0.1:4318/v1/traces; unset: none"
    )
    sample: float = Field(0.01, ge=0, le=1, description="Share of windows; those that raise an alert are all traced")


class TelemetrySettings(Section):
    """Logs and traces."""

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")
    log_format: Literal["auto", "console", "json"] = Field("auto", description="auto: console on a terminal")
    traces: TracesSettings = TracesSettings()
