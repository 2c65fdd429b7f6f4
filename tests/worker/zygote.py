"""Forks workers from a process that has imported everything: real processes that start in milliseconds.

One line `SLOT CONFIG` on standard input starts one; its pid is printed. Ends, with all of them, when the input closes.
"""

from __future__ import annotations

import os
import signal
import sys

import worker.service  # noqa: F401  # what takes seconds
from worker.__main__ import main


def serve() -> None:
    """Until the input closes. Nothing was computed here, so the children inherit no threads."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: a dead pid is gone
    pids = []
    for line in sys.stdin:
        slot, config = line.split()
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.environ["UNMASK_SLOT"] = slot
            os._exit(main(["--config", config]))
        pids.append(pid)
        print(pid, flush=True)
    for pid in pids:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a child still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    serve()
