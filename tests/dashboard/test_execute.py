"""A command for every event, with real programs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from dashboard.execute import Runner, variables
from dashboard.protocol import AlertMessage
from tests.dashboard.feed import alert_event
from wire.errors import UsageError


def message(id: str = "a1", **changes: object) -> AlertMessage:
    event = alert_event(id, **changes)  # type: ignore[arg-type]
    return AlertMessage(event=event.event, cursor="5-0", at=event.at, alert=event.alert)


def run(command: str, *events: AlertMessage, limit_s: float = 20) -> list[str]:
    told: list[str] = []

    async def all_of_them() -> None:
        runner = Runner(command, told.append, limit_s)
        for event in events:
            await runner.run(event)

    asyncio.run(all_of_them())
    return told


def test_the_event_on_standard_input_and_in_the_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = "import os,sys; open(sys.argv[1],'a').write(os.environ['UNMASK_CAMERA'] + ' ' + sys.stdin.read())"
    camera = "x; touch /tmp/nothing $(id) 'quoted'"
    assert run(f'{sys.executable} -c "{code}" {out}', message(camera=camera), message("a2", camera="yard")) == []
    first, second = out.read_text().splitlines()
    assert first.startswith(camera)
    assert json.loads(first.removeprefix(camera))["alert"]["id"] == "a1"
    assert second.startswith("yard ")


def test_a_failure_is_told_and_stops_nothing(tmp_path: Path) -> None:
    told = run(f'{sys.executable} -c "raise SystemExit(3)"', message(), message("a2"))
    assert [line.split(": ", 1)[1] for line in told] == ["ended with 3, on new of a1", "ended with 3, on new of a2"]


def test_one_that_hangs_is_killed() -> None:
    (line,) = run(f'{sys.executable} -c "import time; time.sleep(60)"', message(), limit_s=0.3)
    assert "killed after 0.3 s, on new of a1" in line


def test_its_children_are_killed_with_it(tmp_path: Path) -> None:
    """They hold a pipe open, which ends when the last of them has."""
    pipe, script = tmp_path / "pipe", tmp_path / "script.py"
    os.mkfifo(pipe)
    script.write_text(
        "import subprocess, sys, time\n"
        "held = open(sys.argv[1], 'w')\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], pass_fds=[held.fileno()])\n"
        "held.write('started')\n"
        "held.flush()\n"
        "time.sleep(60)\n"
    )

    async def started_and_stopped() -> bytes:
        reading, ours = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), os.open(pipe, os.O_WRONLY)
        found = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(found), os.fdopen(reading, "rb")
        )
        running = asyncio.create_task(Runner(f"{sys.executable} {script} {pipe}", print).run(message()))
        assert await found.readexactly(7) == b"started"
        os.close(ours)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        rest = await asyncio.wait_for(found.read(), 20)
        transport.close()
        return rest

    assert asyncio.run(started_and_stopped()) == b""


def test_what_it_prints_is_not_taken_for_events(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("echo hello", message()) == []
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "hello\n")


def test_one_that_vanishes_is_told_and_stops_nothing(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("no program at all")
    program.chmod(0o755)
    (line,) = run(str(program), message())
    assert "can't be run" in line


@pytest.mark.parametrize("command", ["", "'open", "/no/such/program", "no-such-name x"])
def test_what_can_not_be_run_is_said_before_anything_is_watched(command: str) -> None:
    with pytest.raises(UsageError, match="--exec"):
        Runner(command, print)


def test_no_text_of_an_alert_breaks_it() -> None:
    assert run("true", message(camera="a\0b", detail="\0 \U0001f600")) == []


def test_a_camera_s_alert_has_empty_scores() -> None:
    found = variables(message(kind="offline", score=None, peak=None, detail="why"))
    assert (found["UNMASK_SCORE"], found["UNMASK_DETAIL"], found["UNMASK_KIND"]) == ("", "why", "offline")
