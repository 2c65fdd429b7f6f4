"""`unmask watch`: the subscriber on the command line."""

from __future__ import annotations

import asyncio
import sys

from dashboard import watch as watcher
from dashboard.protocol import Topic


def watch(
    url: str, *, token: str | None, as_json: bool, topics: list[Topic], cameras: list[str], since: str | None
) -> None:
    """Print events until interrupted. Raises UnmaskError where the address or the token can never work."""
    try:
        asyncio.run(
            watcher.watch(
                url, token=token, as_json=as_json, topics=topics, cameras=cameras, since=since, out=sys.stdout
            )
        )
    except KeyboardInterrupt:
        sys.exit(130)
