"""`unmask watch`: the subscriber on the command line."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from dashboard import watch as watcher
from wire import environment
from wire.errors import UsageError

TOKEN = "UNMASK_DASHBOARD__TOKEN"


def watch(url: str, *, token: str | None, **options: Any) -> None:
    """Print events until interrupted; `options` are those of dashboard.watch.watch. A token may stand in a file.

    Raises UnmaskError where the address, the token or the command can never work.
    """
    try:
        token = token or environment.value(TOKEN, os.environ)
    except ValueError as error:
        raise UsageError(str(error), f"give --token, {TOKEN}, or a file that holds it") from None
    try:
        asyncio.run(watcher.watch(url, out=sys.stdout, token=token, **options))
    except KeyboardInterrupt:
        sys.exit(130)
