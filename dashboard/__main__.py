"""`python -m dashboard [--config FILE]`: one dashboard, until SIGTERM."""

from __future__ import annotations

import sys
from pathlib import Path

from wire import entry, settings


def _serve(config: Path | None) -> None:
    loaded = settings.load(config)
    from dashboard import service

    service.run(loaded)


def main(arguments: list[str] | None = None) -> int:
    """Run the service until it is told to stop; the exit code."""
    return entry.main("dashboard", "Serve the page and the subscriptions.", _serve, arguments)


if __name__ == "__main__":
    sys.exit(main())
