"""`python -m worker [--config FILE]`: one worker, until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

from wire import entry, settings


def _serve(config: Path | None) -> None:
    loaded = settings.load(config)
    from worker import service  # after the settings: a wrong key is told at once, torch takes seconds

    service.run(loaded)


def main(arguments: list[str] | None = None) -> int:
    """Run the service until it is told to stop; the exit code."""
    return entry.main("worker", "Windows in, scores and alerts out.", _serve, arguments)


if __name__ == "__main__":
    sys.exit(main())
