"""`python -m worker [--config FILE]`: one worker, until SIGTERM."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wire import crash, settings
from wire.errors import UnmaskError


def main(arguments: list[str] | None = None) -> int:
    """The exit code; an UnmaskError is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m worker", description="Windows in, scores and alerts out.")
    parser.add_argument("--config", type=Path, help="the YAML file; ./unmask.yaml if there is one")
    options = parser.parse_args(arguments)
    crash.guard()
    try:
        loaded = settings.load(options.config)
        from worker import service  # after the settings: a wrong key is told at once, torch takes seconds

        service.run(loaded)
    except UnmaskError as error:
        print(f"unmask worker: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
