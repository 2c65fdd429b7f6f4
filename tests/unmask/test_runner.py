"""What `unmask run` says while it starts, by a real dashboard that answers late."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.dashboard.conftest import Running, dashboard, feed  # noqa: F401 - fixtures
from tests.dashboard.feed import Feed
from tests.support.servers import valkey, wait_until
from unmask import runner
from unmask.supervisor import Child, Supervisor
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


def test_whoever_looks_after_the_services_never_waits_for_redis() -> None:
    """One that hangs takes a second for each question; a supervisor that waited took what hung for itself."""
    answers = threading.Event()

    def ask(name: str) -> bool:
        answers.wait(20)
        return name == "worker"

    with runner._Ever(ask) as ever:
        began = time.monotonic()
        assert not any(ever.was("worker") or ever.was("streamer") for _ in range(100))
        assert time.monotonic() - began < 5
        answers.set()
        wait_until(lambda: ever.was("worker"), 20, "it was so")
        assert not ever.was("streamer")


def killed(lines: list[Any]) -> set[str]:
    """The services that were killed since they hang."""
    return {line["child"] for line in lines if "hangs" in line["event"]}


def test_a_redis_that_hangs_does_not_keep_services_that_hang_from_being_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stand still before anybody knew them ready, and so does what would tell."""
    monkeypatch.setattr("unmask.supervisor.HUNG_S", 2.0)
    code = "import time, wire.watchdog; wire.watchdog.notify(); time.sleep(60)"
    with valkey(tmp_path) as (url, server):
        server.send_signal(signal.SIGSTOP)
        state = runner._State(url, Keys())
        with runner._Ever(state.is_ready) as ready, capture_logs() as lines:
            supervisor = Supervisor(structlog.get_logger(), ready.was)
            for name in runner.SERVICES:
                supervisor.add(Child(name, [sys.executable, "-c", code]))
            thread = threading.Thread(target=supervisor.watch)
            thread.start()
            try:
                wait_until(lambda: killed(lines) == {*runner.SERVICES}, 60, "all are killed")
            finally:
                supervisor.stop()
                thread.join(20)
        server.send_signal(signal.SIGCONT)
