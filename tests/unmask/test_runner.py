"""What `unmask run` says while it starts, by a real dashboard that answers late."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tests.dashboard.conftest import Running, dashboard, feed  # noqa: F401 - fixtures
from tests.dashboard.feed import Feed
from tests.support.servers import wait_until
from unmask import runner
from wire.keys import Keys


def test_it_says_what_it_waits_for_and_takes_late_answers(
    dashboard: Callable[..., Running],  # noqa: F811
    feed: Feed,  # noqa: F811
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    one, ready, said, over = dashboard().synced(), list[str](), list[str](), threading.Event()

    def say(missing: str) -> None:
        said.append(missing)
        runner._say_missing(missing)

    def busy() -> None:  # a machine with too much to do: every step of an answer takes its time
        if not over.wait(0.05):
            one.loop.call_soon(busy)

    page = f"{one.http}/"
    with runner._Start(page, runner._State(redis_url, Keys()), None, say, ready.append):
        wait_until(lambda: len(said) == 1, 20, "it waits for the worker")
        feed.service("worker", state="starting")
        wait_until(lambda: len(said) == 2, 20, "it waits for the streamer, too")
        one.loop.call_soon_threadsafe(busy)
        feed.service("worker")
        feed.service("streamer")
        began = time.monotonic()
        wait_until(lambda: ready == [page], 60, "all are ready")
        took = time.monotonic() - began
        over.set()
    assert took > 0.5, "it was not late"
    assert said[0].startswith("the worker")
    assert said[1].startswith("the streamer and the worker")
    assert "starting: waiting for the streamer and the worker" in capsys.readouterr().err
