"""Commands of ours by the fork of a process that has imported everything: real processes that start in milliseconds.

`run` asks for one; `python -m tests.support.forks` is that process. It reads requests, a line of JSON each, and prints
the pid of the fork and, once that has ended, its exit code. It ends with its standard input.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).parents[2]
LOADED = (
    "apprise",
    "unmask.cli",
    "unmask.check",
    "unmask.evaluate",
    "unmask.convert",
    "unmask.feedback",
    "unmask.runner",
    "streamer.service",
    "worker.service",
    "dashboard.service",
)


def run(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], typed: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """`unmask ARGUMENTS` to its end. Raises subprocess.TimeoutExpired, the command killed."""
    with tempfile.TemporaryDirectory(prefix="unmask-fork-") as folder:
        streams = [Path(folder, name) for name in ("in", "out", "err")]
        streams[0].write_text(typed, encoding="utf-8")
        asked = {"argv": list(arguments), "cwd": str(cwd), "env": dict(env), "streams": [str(one) for one in streams]}
        code = _asked(_origin(), json.dumps(asked), timeout)
        out, err = (one.read_text(encoding="utf-8") for one in streams[1:])
    if code is None:
        raise subprocess.TimeoutExpired(["unmask", *arguments], timeout, out, err)
    return subprocess.CompletedProcess(["unmask", *arguments], code, out, err)


@cache
def _origin() -> subprocess.Popen[bytes]:
    """Read without a buffer: a line that waits in one is not seen by `select`."""
    origin = subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    atexit.register(origin.communicate)
    return origin


def _asked(origin: subprocess.Popen[bytes], line: str, timeout: float) -> int | None:
    """The exit code; None where it did not end in time and was killed."""
    assert origin.stdin is not None
    assert origin.stdout is not None
    origin.stdin.write(f"{line}\n".encode())
    pid = int(origin.stdout.readline())
    in_time = bool(select.select([origin.stdout], [], [], timeout)[0])
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    code = int(origin.stdout.readline())
    return code if in_time else None


def serve(requests: IO[str]) -> None:
    """Until the input ends."""
    for line in requests:
        if (pid := os.fork()) == 0:
            _become(**json.loads(line))
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(argv: Sequence[str], cwd: str, env: Mapping[str, str], streams: Sequence[str]) -> NoReturn:
    """As an interpreter does it, but for taking the modules apart at the end, for which PyTorch's take a second."""
    from unmask.__main__ import main

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for number, (path, flags) in enumerate(zip(streams, (os.O_RDONLY, *2 * [os.O_WRONLY | os.O_CREAT]), strict=True)):
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what the other had read ahead is not ours
    sys.argv = ["unmask", *argv]
    code: object = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    for name in LOADED:
        import_module(name)
    serve(sys.stdin)
