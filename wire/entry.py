"""`python -m ROLE [--config FILE]`: what the three services' own entries share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from wire import crash
from wire.errors import UnmaskError
from wire.messages import Role


def main(role: Role, does: str, serve: Callable[[Path | None], None], arguments: list[str] | None) -> int:
    """Run `serve` with the file of settings, if one is named; the exit code. An UnmaskError is one line."""
    parser = argparse.ArgumentParser(prog=f"python -m {role}", description=does)
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE", help="settings; else ./unmask.yaml if there is one"
    )
    options = parser.parse_args(arguments)
    crash.guard()
    try:
        serve(options.config)
    except UnmaskError as error:
        sys.stderr.write(f"unmask {role}: {error}\n")
        return error.exit_code
    return 0
