"""Children that die, refuse to start, refuse to stop: real processes, no services."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.servers import wait_until
from unmask.supervisor import RESTARTS, Child, Supervisor
from wire import telemetry
from wire.errors import ServiceError
from wire.settings import TelemetrySettings


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def log_start(path: Path, then: str) -> list[str]:
    return python(f"open({str(path)!r}, 'a').write('x'); import time, sys, os, signal; {then}")


@pytest.fixture
def supervisor() -> Supervisor:
    return Supervisor(telemetry.setup(TelemetrySettings(log_format="json"), "test"), lambda name: name == "was-ready")


def watch_in_thread(supervisor: Supervisor) -> tuple[threading.Thread, list[int]]:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.watch()))
    thread.start()
    return thread, codes


def test_a_dead_child_is_restarted_and_all_end_in_order(supervisor: Supervisor, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    child = Child("was-ready", log_start(starts, "time.sleep(60)"))
    supervisor.add(child)
    thread, codes = watch_in_thread(supervisor)
    wait_until(lambda: starts.exists() and child.process, 30, "the child runs")
    assert child.process
    os.kill(child.process.pid, signal.SIGKILL)
    wait_until(lambda: starts.read_text() == "xx", 30, "it is started again")
    supervisor.stop()
    thread.join(30)
    assert codes == [0]
    assert child.process.poll() == -signal.SIGTERM


SIGNS = "from wire.watchdog import notify; [(notify(), time.sleep(0.1)) for _ in iter(int, 1)]"


def test_a_child_that_has_stopped_is_killed_and_started_again(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.supervisor.HUNG_S", 2.0)
    starts, told = tmp_path / "starts", tmp_path / "told"
    note = f"open({str(told)!r}, 'a').write(os.environ['UNMASK_RESTARTS'])"
    child = Child("was-ready", log_start(starts, f"{note}; {SIGNS}"))
    silent = Child("silent", python("import time; time.sleep(60)"))  # has never spoken: it may take its time
    supervisor.add(child)
    supervisor.add(silent)
    thread, codes = watch_in_thread(supervisor)
    wait_until(lambda: child.ear and child.process and child.ear.silent_s(time.monotonic()) > 0, 30, "a first sign")
    assert child.process
    first, began = child.process.pid, time.monotonic()
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: starts.read_text() == "xx", 30, "it is started again")
    assert time.monotonic() - began > 1.8, "it was patient"
    wait_until(lambda: told.read_text() == "01", 30, "it knows how often it was started")
    supervisor.stop()
    thread.join(30)
    assert codes == [0]
    assert silent.restarts == 0


def test_a_child_that_does_not_answer_is_killed(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.supervisor.HUNG_S", 0.5)
    starts, mute, last = tmp_path / "starts", tmp_path / "mute", [0.0]

    def heard() -> float:
        if not mute.exists():
            last[0] = time.monotonic()
        return last[0]

    child = Child("was-ready", log_start(starts, "time.sleep(60)"), heard=heard)
    supervisor.add(child)
    thread, _ = watch_in_thread(supervisor)
    wait_until(lambda: starts.exists() and child.since < time.monotonic(), 30, "it answers")
    mute.touch()
    wait_until(lambda: starts.read_text() == "xx", 30, "it is started again")
    supervisor.stop()
    thread.join(30)


def test_restarts_come_ever_later() -> None:
    child = Child("a", [])
    waits = []
    for second in range(RESTARTS):
        assert child.may_restart(float(second))
        waits.append(child.due - second)
    assert waits == [0.0, 0.5, 1.0, 2.0, 4.0]
    child.may_restart(1000.0)
    assert child.due == 1000.0


def test_a_child_that_keeps_dying_uses_up_its_budget(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.supervisor.BACKOFF_S", (0.0,))
    starts = tmp_path / "starts"
    supervisor.add(Child("was-ready", log_start(starts, "sys.exit(1)")))
    with pytest.raises(ServiceError, match=f"was-ready died {RESTARTS + 1} times"):
        supervisor.watch()
    assert len(starts.read_text()) == RESTARTS + 1


@pytest.mark.parametrize("code", [1, 2])
def test_a_child_that_explains_why_it_cannot_run_ends_everything(supervisor: Supervisor, code: int) -> None:
    other = Child("other", python("import time; time.sleep(60)"))
    supervisor.add(other)
    supervisor.add(Child("never-ready", python(f"import sys; sys.exit({code})")))
    assert supervisor.watch() == code
    assert other.process
    assert other.process.poll() is not None


def test_a_server_that_can_not_start_is_told_with_where_it_says_why(supervisor: Supervisor) -> None:
    never = float("-inf")
    supervisor.add(Child("valkey", python("import sys; sys.exit(1)"), hint="see its log", heard=lambda: never))
    with pytest.raises(ServiceError, match="valkey does not start: see its log"):
        supervisor.watch()


def test_a_child_that_ignores_sigterm_is_killed(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unmask.supervisor.STOP_S", 0.3)
    starts = tmp_path / "starts"
    code = f"import signal, time; signal.signal(15, signal.SIG_IGN); open({str(starts)!r}, 'w'); time.sleep(60)"
    child = Child("was-ready", python(code))
    supervisor.add(child)
    thread, _ = watch_in_thread(supervisor)
    wait_until(starts.exists, 30, "the child ignores SIGTERM")
    supervisor.stop()
    thread.join(30)
    assert child.process
    assert child.process.poll() == -signal.SIGKILL


def test_a_child_waits_for_its_time(supervisor: Supervisor, tmp_path: Path) -> None:
    gate, started = tmp_path / "gate", tmp_path / "started"
    rounds: list[int] = []

    def when() -> bool:
        rounds.append(1)
        return gate.exists()

    supervisor.add(Child("was-ready", log_start(started, "time.sleep(60)"), when=when))
    thread = threading.Thread(target=supervisor.watch)
    thread.start()
    wait_until(lambda: len(rounds) >= 3, 30, "the supervisor has looked three times")
    assert not started.exists()
    gate.touch()
    wait_until(started.exists, 30, "it is started")
    supervisor.stop()
    thread.join(30)


def test_the_budget_forgets_old_deaths() -> None:
    child = Child("a", [])
    assert all(child.may_restart(float(second)) for second in range(RESTARTS))
    assert not child.may_restart(float(RESTARTS))
    assert child.may_restart(1000.0)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    child = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"""
import structlog, sys
from unmask.supervisor import Child, Supervisor
supervisor = Supervisor(structlog.get_logger(), lambda name: True)
supervisor.add(Child("a", [sys.executable, "-c", {child!r}]))
supervisor.watch()
"""
    process = subprocess.Popen(python(code))
    wait_until(lambda: pid_file.exists() and pid_file.read_text(), 30, "the grandchild runs")
    pid = int(pid_file.read_text())
    process.kill()
    process.wait()
    wait_until(_gone(pid), 30, "the grandchild is gone")


def _gone(pid: int) -> Callable[[], bool]:
    def gone() -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"  # whoever inherits it will reap it

    return gone


def test_watch_returns_soon_after_stop(supervisor: Supervisor) -> None:
    supervisor.stop()
    begin = time.monotonic()
    assert supervisor.watch() == 0
    assert time.monotonic() - begin < 5
