"""`unmask notify-test`: a test message through every configured channel."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.markup import escape

from dashboard.notify.build import channels
from dashboard.notify.channel import Channel, Refused, TryLater
from wire.errors import UsageError
from wire.settings import Settings

PATIENCE_S = 30.0


def run(settings: Settings) -> int:
    """Send one through each channel and say how it went; 1 if any failed. Raises UsageError where there is none."""
    found = channels(settings.notify, public_url=settings.dashboard.public_url)
    if not found:
        raise UsageError("no notification channel is configured", "add one under 'notify' (docs/notifications.md)")
    return asyncio.run(_all(found))


async def _all(found: list[Channel]) -> int:
    console, failed = Console(highlight=False, soft_wrap=True), False
    for channel in found:
        failure = await _one(channel)
        failed = failed or bool(failure)
        mark = "[red]✗[/]" if failure else "[green]✓[/]"
        console.print(f"{mark} {channel.name}: {escape(failure) or 'the receiver took it'}")
    return int(failed)


async def _one(channel: Channel) -> str:
    """What went wrong and what to do, or ""."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            await channel.test()
    except TryLater as later:
        return f"{later.reason}; check the url, the network and the receiver's own log"
    except Refused as refused:
        return f"{refused.reason}; check the url and what the receiver expects"
    except TimeoutError:
        return f"no answer in {PATIENCE_S:.0f} s; check the url and the network"
    return ""
