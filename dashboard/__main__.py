"""`python -m dashboard [--config FILE]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dashboard import service
from wire import crash
from wire.errors import UnmaskError
from wire.settings import load


def main(arguments: list[str] | None = None) -> int:
    """Run the dashboard; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dashboard", description="Serve the page and the subscriptions.")
    parser.add_argument("--config", type=Path, help="YAML file; unset: ./unmask.yaml where there is one")
    chosen = parser.parse_args(arguments)
    crash.guard()
    try:
        service.run(load(chosen.config))
    except UnmaskError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
