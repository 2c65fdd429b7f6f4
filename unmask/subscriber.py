"""`unmask watch`: the subscriber on the command line."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from dashboard import watch as watcher


def watch(url: str, **options: Any) -> None:
    """Print events until interrupted; `options` are those of dashboard.watch.watch.

    Raises UnmaskError where the address, the token or the command can never work.
    """
    try:
        asyncio.run(watcher.watch(url, out=sys.stdout, **options))
    except KeyboardInterrupt:
        sys.exit(130)
