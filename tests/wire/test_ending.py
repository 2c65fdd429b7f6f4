"""A process that hangs at its end leaves all the same, and one that does not is not held up."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from wire.ending import interrupts_held


def run(code: str) -> tuple[int, float]:
    begin = time.monotonic()
    process = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    return process.returncode, time.monotonic() - begin


def test_a_thread_that_never_ends_does_not_hold_the_process() -> None:
    hang = "import threading; threading.Thread(target=threading.Event().wait).start()"
    assert run(f"from wire.ending import leave_within; {hang}; leave_within(0.2)")[0] == 0


def test_a_process_that_ends_by_itself_does_not_wait() -> None:
    code, seconds = run("from wire.ending import leave_within; leave_within(15)")
    assert code == 0
    assert seconds < 15


def test_what_can_not_be_said_at_the_end_holds_nobody() -> None:
    """What waits to be written is for a disk that is full."""
    code = "import sys; from wire.ending import leave; sys.stdout = open('/dev/full', 'w'); print(1); leave()"
    assert run(code)[0] == 0


@pytest.mark.usefixtures("ctrl_c")
def test_a_held_interrupt_comes_once_the_block_has_ended() -> None:
    reached = []

    def library() -> None:
        with interrupts_held(), suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        library()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
