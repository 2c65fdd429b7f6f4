"""Where the dashboard is to listen."""

from __future__ import annotations

from unmask import listening
from unmask.finding import Finding, failure
from wire.errors import ServiceError
from wire.settings import Settings


def look(settings: Settings) -> Finding:
    """Whether the dashboard's port can be had here, or an Unmask has it already."""
    host, port = settings.dashboard.host, settings.dashboard.port
    try:
        listening.port(settings)
    except listening.Served:
        return Finding("port", "ok", f"an unmask serves its page at {listening.address(settings.dashboard)}")
    except ServiceError as error:
        return failure("port", error)
    return Finding("port", "ok", f"{host}:{port} is free" if port else f"any free one of {host}")
