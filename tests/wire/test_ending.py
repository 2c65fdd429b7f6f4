"""A process that hangs at its end leaves all the same, and one that does not is not held up."""

from __future__ import annotations

import subprocess
import sys
import time


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
