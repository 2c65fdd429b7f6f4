"""What a confined process can still do: tried by one, since there is no way back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from streamer import confine

PROBE = """
import ctypes, json, os, resource, sys, threading
from streamer import confine
missing = confine.confine(int(sys.argv[2]), 1)
target = sys.argv[1]
tries = {
    "create": lambda: open(target + "/new", "w"), "change": lambda: open(target + "/there", "a"),
    "remove": lambda: os.unlink(target + "/there"), "rename": lambda: os.rename(target + "/there", target + "/x"),
    "folder": lambda: os.mkdir(target + "/folder"), "program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "memory": lambda: bytearray(3 << 30), "read": lambda: open(target + "/there").read(),
    "null": lambda: open("/dev/null", "w").close(), "told": lambda: sys.stderr.write("a log line"),
}
done = {}
def work():
    for name, call in tries.items():
        try:
            call(); done[name] = ""
        except (OSError, MemoryError) as error:
            done[name] = type(error).__name__
    done["cores"] = len(os.sched_getaffinity(0))
thread = threading.Thread(target=work); thread.start(); thread.join()
status = dict(line.split(":\\t", 1) for line in open("/proc/thread-self/status").read().splitlines() if ":\\t" in line)
done["privileges"] = status["NoNewPrivs"]
done["core"] = list(resource.getrlimit(resource.RLIMIT_CORE))
done["dumpable"] = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
print(json.dumps([missing, done]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resource limits and Landlock are Linux's")
def test_no_writes_no_programs_no_core_and_no_more_memory_and_cores(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("before")
    command = [sys.executable, "-c", PROBE, str(tmp_path), "1024"]
    log = tmp_path.parent / f"{tmp_path.name}.log"
    with log.open("w") as file:  # a log that is open already goes on
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=file, text=True, check=True)
    missing, done = json.loads(result.stdout)
    if not any("Landlock" in one for one in missing):  # an old kernel, or one without it: told, and the rest holds
        names = ("create", "change", "remove", "rename", "folder", "program")
        assert {done[name] for name in names} == {"PermissionError"}
        assert [path.name for path in tmp_path.iterdir()] == ["there"]
        assert (tmp_path / "there").read_text() == "before"
    assert done["memory"] == "MemoryError"
    assert (done["read"], done["null"], done["told"]) == ("", "", "")
    assert log.read_text() == "a log line"
    assert done["cores"] == 1
    assert (done["privileges"], done["core"], done["dumpable"]) == ("1", [0, 0], 0)


def test_the_memory_grows_with_the_cameras() -> None:
    assert confine.memory_mb(None, 0) == confine.memory_mb(None, 1) == 1408
    assert confine.memory_mb(None, 10) == 1024 + 3840
    assert (confine.memory_mb(0, 10), confine.memory_mb(500, 10)) == (0, 500)


CLIP = """
import sys
from pathlib import Path
from streamer import confine
from streamer.mp4 import make
from tests.streamer import recorded
made = recorded.record(Path(sys.argv[1]))
confine.confine(0)
clip = make(made.ring.since(0), lambda: False)
sys.stdout.write(f"{len(clip.mp4)} {clip.as_received}")
"""


def test_a_confined_streamer_makes_clips(face_clip: Path) -> None:
    """It may write no file, and FFmpeg wants one."""
    result = subprocess.run([sys.executable, "-c", CLIP, str(face_clip)], capture_output=True, text=True, check=True)
    size, as_received = result.stdout.split()
    assert int(size) > 10_000
    assert as_received == "True"
