"""`python -m streamer`: cameras in, face windows out to Redis."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wire import crash
from wire.errors import UnmaskError


def main(arguments: list[str] | None = None) -> int:
    """Run the service until it is told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="streamer", description=__doc__)
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE", help="settings; else ./unmask.yaml if there is one"
    )
    options = parser.parse_args(arguments)
    crash.guard()
    try:
        from streamer import service
        from wire import settings

        service.run(settings.load(options.config), settings.source(options.config))
    except UnmaskError as error:
        sys.stderr.write(f"streamer: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
