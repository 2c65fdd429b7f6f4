"""Where a streamer's time goes, by stage: sampled with py-spy where it is installed and allowed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

RATE = 40  # samples a second
PATIENCE_S = 20.0
WAITING = ("(threading.py:", "(queue.py:", "(selectors.py:")
# The innermost of our functions in a stack says what is done: (file, function or "" for any, stage).
STAGES = (
    ("streamer/reader.py", "bgr", "convert"),
    ("streamer/pixels.py", "", "convert"),
    ("streamer/reader.py", "", "decode"),
    ("streamer/faces.py", "", "detect"),
    ("streamer/nets.py", "", "detect"),
    ("streamer/regions.py", "", "detect"),
    ("streamer/motion.py", "", "detect"),
    ("streamer/crops.py", "", "crop+encode"),
    ("streamer/analysis.py", "preview", "preview"),
    ("streamer/analysis.py", "_crop", "crop+encode"),
    ("streamer/analysis.py", "_search", "detect"),
    ("streamer/tracking.py", "", "track"),
    ("streamer/ring.py", "", "keep"),
    ("streamer/recorder.py", "", "keep"),
    ("streamer/evidence.py", "", "keep"),
    ("streamer/clips.py", "", "keep"),
    ("streamer/picture.py", "", "keep"),
    ("streamer/publish.py", "", "publish"),
    ("wire/messages.py", "", "publish"),
)


def available() -> str | None:
    """py-spy's path, where there is one."""
    folders = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which("py-spy", path=folders)


def sample(pid: int, seconds: float, folder: Path) -> Counter[str]:
    """Samples by stage of a process and its children, over `seconds`; empty where that can't be had.

    The process is not halted for a sample, so that what is measured goes on undisturbed.
    """
    spy = available()
    if spy is None:
        return Counter()
    out = folder / f"stacks-{pid}"
    command = [
        spy, "record", "--pid", str(pid), "--subprocesses", "--duration", str(max(1, round(seconds))), "--rate",
        str(RATE), "--nonblocking", "--format", "raw", "--output", str(out),
    ]  # fmt: skip
    try:
        subprocess.run(command, capture_output=True, timeout=seconds + PATIENCE_S, check=True)
        return count(out.read_text(encoding="utf-8", errors="replace").splitlines())
    except (subprocess.SubprocessError, OSError):  # not allowed to look into a process, most often
        return Counter()


def count(stacks: Iterable[str]) -> Counter[str]:
    """Samples by stage of py-spy's raw lines: `outer (file:line);...;inner (file:line) samples`; without those of
    threads that wait for a lock or a condition, which py-spy takes for working ones."""
    found: Counter[str] = Counter()
    for line in stacks:
        stack, _, number = line.rpartition(" ")
        frames = stack.split(";")
        if number.isdigit() and not any(waits in frames[-1] for waits in WAITING):
            found[stage(frames)] += int(number)
    return found


def stage(stack: list[str]) -> str:
    """What the innermost function that has a stage does."""
    for frame in reversed(stack):
        name, _, where = frame.partition(" (")
        name = name.rpartition(".")[2]  # of Class.method
        for file, function, what in STAGES:
            if file in where and function in ("", name):
                return what
    return "other"


def shares(samples: Counter[str], cpu: float) -> dict[str, float]:
    """`cpu` divided among the stages as the samples were, the greatest first."""
    total = sum(samples.values())
    return {name: round(cpu * number / total, 3) for name, number in samples.most_common()}
