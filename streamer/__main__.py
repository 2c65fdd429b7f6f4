"""`python -m streamer [--config FILE]`: one streamer, until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

from wire import entry, settings


def _serve(config: Path | None) -> None:
    loaded = settings.load(config)
    from streamer import service

    service.run(loaded, settings.source(config))


def main(arguments: list[str] | None = None) -> int:
    """Run the service until it is told to stop; the exit code."""
    return entry.main("streamer", "Cameras in, face windows out to Redis.", _serve, arguments)


if __name__ == "__main__":
    sys.exit(main())
