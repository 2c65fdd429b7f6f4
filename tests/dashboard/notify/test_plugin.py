"""A notifier of the operator's own on a real dashboard: in order, tried again, and what hangs is ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dashboard.cursors import START
from dashboard.history import Entry
from dashboard.notify.channel import Refused, TryLater
from dashboard.notify.guest import Told
from dashboard.notify.plugin import PluginChannel, settle
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed, alert_event
from tests.support.plugins import install
from tests.support.servers import wait_until
from wire.guest import LONGEST, GuestError
from wire.settings import NotifierSettings, NotifySettings

HOSTILE = """
import os, time
from pathlib import Path
from unmask.plugins import Refused, TryLater

class Plugin:
    def __init__(self, mode, log):
        self._mode, self._log = Path(mode), Path(log)

    def notify(self, event):
        mode = self._mode.read_text()
        if mode == "later":
            raise TryLater("busy", wait_s=7)
        if mode == "refuse":
            raise Refused("never")
        if mode == "raise":
            raise KeyError("channel")
        if mode == "hang":
            time.sleep(60)
        with self._log.open("a") as file:
            print(os.getpid(), event["type"], file=file)
"""


def test_events_reach_the_example_in_order(
    dashboard: Callable[..., Running], feed: Feed, placed: Callable[[str], None], examples: Path, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    running = dashboard(
        notify=NotifySettings(plugins={"journal": NotifierSettings(plugin="jsonl", options={"path": str(path)})})
    )
    placed("plugin-journal")
    cursors = [feed.alert("a1", "new", "door"), feed.alert("a1", "update", "door"), feed.alert("a1", "end", "door")]
    wait_until(lambda: path.exists() and path.read_text().count("\n") >= 2, 40, "two lines")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["type"], line["event"], line["cursor"]) for line in lines] == [
        ("alert", "new", cursors[0]), ("alert", "end", cursors[2]),
    ]  # fmt: skip
    counted = b'unmask_notifications_total{channel="plugin-journal",outcome="delivered"} 2.0'
    wait_until(lambda: counted in running.hub.metrics.render(), 15, "they are counted")


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PluginChannel, Path, Path]]:
    """A channel, the file with what its notifier does, and the file that it writes."""
    install(tmp_path / "site", "notifier", "hostile", HOSTILE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    mode, log = tmp_path / "mode", tmp_path / "log"
    options: dict[str, Any] = {"mode": str(mode), "log": str(log)}
    channel = PluginChannel("plugin-x", NotifierSettings(plugin="hostile", timeout_s=20, every_s=0.1, options=options))
    yield channel, mode, log
    channel.close()


def entry() -> Entry:
    return Entry(START, alert_event("a1"), '{"type":"alert"}')


def test_what_it_does_is_the_channels_outcome(
    hostile: tuple[PluginChannel, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    channel, mode, log = hostile

    def deliver(word: str) -> None:
        mode.write_text(word)
        asyncio.run(channel.deliver(entry()))

    deliver("fine")
    with pytest.raises(TryLater) as later:
        deliver("later")
    assert (later.value.reason, later.value.wait_s) == ("busy", 7)
    with pytest.raises(Refused, match="never"):
        deliver("refuse")
    with pytest.raises(TryLater, match=r"notifier hostile 1\.2: KeyError: 'channel'"):
        deliver("raise")
    deliver("fine")
    with monkeypatch.context() as hasty:
        hasty.setattr(channel._guest, "_call_s", 0.3)
        with pytest.raises(TryLater, match=r"no answer within 0\.3 s"):
            deliver("hang")
    deliver("fine")
    first, second, third = (line.split()[0] for line in log.read_text().splitlines())
    assert first == second != third, "it is started again only after it fell"


@pytest.mark.parametrize(
    ("wait_s", "asked"), [(30, 30), (1e9, 3600), (float("inf"), 3600), (0, None), (-1, None), (float("nan"), None)]
)
def test_a_wait_that_is_none_is_ours_to_choose(wait_s: float, asked: float | None) -> None:
    with pytest.raises(TryLater) as later:
        settle(msgspec.msgpack.encode(Told("later", "a\nb" + "x" * 999, wait_s)))
    assert later.value.wait_s == asked
    assert later.value.reason.startswith("a bx")
    assert len(later.value.reason) == LONGEST


@pytest.mark.parametrize("reply", [b"", b"\xff", b"\x91" * 5000, b"\x81\xa6reason\xa1\xff", b"\x81\xa7outcome\xa1x"])
def test_what_is_no_answer_is_tried_again(reply: bytes) -> None:
    with pytest.raises(GuestError, match="no answer"):
        settle(reply)


def test_events_are_so_far_apart_at_least(hostile: tuple[PluginChannel, Path, Path]) -> None:
    channel, mode, _ = hostile
    mode.write_text("fine")

    async def two() -> float:
        await channel.deliver(entry())
        began = time.monotonic()
        await channel.deliver(entry())
        await channel.deliver(entry())
        return time.monotonic() - began

    assert asyncio.run(two()) >= 0.1
