"""`unmask`: the one place where an error of ours becomes one line and an exit code."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        _run()
    except KeyboardInterrupt:  # typer says the same of its own; this one came while the commands were loaded
        sys.exit(130)


def _run() -> None:
    from unmask.cli import app
    from wire import crash
    from wire.errors import UnmaskError

    crash.guard()
    try:
        app()
    except UnmaskError as error:
        print(f"unmask: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output has gone: nothing to say, and nobody to say it to
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
