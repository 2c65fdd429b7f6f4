"""Signs of life, and a process that ends itself when it hangs."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
from itertools import count
from pathlib import Path

import pytest

from wire.watchdog import ADDRESS, EXIT_HUNG, Calls, notify


def test_a_call_hangs_when_it_has_not_returned_in_time() -> None:
    now = [100.0]
    calls = Calls(lambda: now[0])
    with calls.under_way("encoding 8 crops"):
        now[0] += 9.9
        assert calls.hung(10) == ""
        now[0] += 0.2
        assert calls.hung(10) == "encoding 8 crops has not returned for 10 s"
    assert calls.hung(10) == ""


def test_what_gives_way_has_longer_and_not_for_ever() -> None:
    now = [100.0]
    calls = Calls(lambda: now[0])
    with calls.under_way("encoding 4 crops", patience=10):
        now[0] += 99.9
        assert calls.hung(10) == ""
        assert calls.hung_thread(10) is None
        now[0] += 0.2
        assert calls.hung(10) == "encoding 4 crops has not returned for 100 s"
    with calls.under_way("encoding 8 crops"):
        now[0] += 10
        assert calls.hung(10), "patience was the other call's"


def test_one_of_many_threads_is_enough() -> None:
    now, entered, leave = [0.0], threading.Event(), threading.Event()
    calls = Calls(lambda: now[0])

    def other() -> None:
        with calls.under_way("decoding attic"):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(20)
    now[0] = 8.0
    with calls.under_way("decoding lobby"):
        now[0] = 11.0
        assert "attic" in calls.hung(10)
        assert calls.hung_thread(10) == thread.ident
    leave.set()
    thread.join(20)
    assert calls.hung(0) == ""
    assert calls.hung_thread(0) is None


def test_a_call_may_begin_while_garbage_is_collected_in_the_middle_of_a_look() -> None:
    """A finaliser lets other threads go on; before Python 3.12 that may be wherever an object is made."""
    calls, threads = Calls(lambda: 11.0), count()

    def enter(_phase: str, _info: object) -> None:
        calls._under_way[-next(threads)] = ("decoding", 0.0, 1.0)

    for _ in range(1000):
        enter("", None)
    before = gc.get_threshold()
    gc.callbacks.append(enter)
    gc.set_threshold(1)
    try:
        assert calls.hung(10) == "decoding has not returned for 11 s"
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(enter)


def test_a_failing_call_has_returned() -> None:
    calls = Calls(lambda: 0.0)
    with pytest.raises(ValueError, match="no"), calls.under_way("x"):
        raise ValueError("no")
    assert calls.hung(0) == ""


def test_the_supervisor_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "ear"))
        monkeypatch.setenv(ADDRESS, str(tmp_path / "ear"))
        notify()
        assert ear.recv(100) == b"WATCHDOG=1"
    notify()  # nobody listens any more
    monkeypatch.delenv(ADDRESS)
    notify()


HANGS = """
import threading, wire.watchdog as watchdog
from wire.telemetry import TelemetrySettings, setup
watchdog.HUNG_S = watchdog.PERIOD_S = 0.2
calls = watchdog.Calls()
watchdog.Watchdog(lambda: calls.hung(0.2), setup(TelemetrySettings(), "x")).start()
with calls.under_way("a call"):
    threading.Event().wait(20)
"""


def test_a_process_that_hangs_ends_itself_and_says_why() -> None:
    found = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == EXIT_HUNG
    assert "a call has not returned for" in found.stdout + found.stderr


def test_a_process_that_hangs_ends_itself_where_it_can_not_say_why() -> None:
    """Its log is on a disk that is full."""
    with Path("/dev/full").open("w") as full:
        found = subprocess.run([sys.executable, "-c", HANGS], stderr=full, timeout=60, check=False)
    assert found.returncode == EXIT_HUNG
