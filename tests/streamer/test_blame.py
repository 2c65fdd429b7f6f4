"""A real segmentation fault in a camera's thread, and what it leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from streamer import blame
from wire.last_words import CRASHED, LAST_WORDS, camera_of, frame_name, predecessors_camera
from wire.watchdog import EXIT_HUNG

CRASH = """
import ctypes, threading
from streamer import blame
blame.listen()
stay = threading.Event()
others = [threading.Thread(target=lambda: blame.under("innocent", stay.wait), daemon=True) for _ in range(3)]
[one.start() for one in others]
def decode(depth=30):
    if depth: return decode(depth - 1)
    ctypes.string_at(0)
threading.Thread(target=lambda: blame.under("front-door.2", decode)).start()
stay.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="inherits a file by its number")
def test_the_camera_is_named() -> None:
    ear, mouth = os.pipe()
    environment = {**os.environ, LAST_WORDS: str(mouth)}
    result = subprocess.run([sys.executable, "-c", CRASH], env=environment, pass_fds=[mouth], check=False)
    os.close(mouth)
    with os.fdopen(ear) as pipe:
        stack = pipe.read()
    assert result.returncode == -11
    assert camera_of(stack) == "front-door.2"
    assert "innocent" not in stack


HANG = """
import sys, threading, structlog
from streamer import blame
from wire.watchdog import Calls, Watchdog
calls, stay = Calls(), threading.Event()
def decode():
    with calls.under_way("decoding"):
        stay.wait()
for camera, work in (("innocent", stay.wait), ("attic", decode)):
    threading.Thread(target=lambda c=camera, w=work: blame.under(c, w), daemon=True).start()
now = [0.0]
def clock():
    now[0] += 2.9
    return now[0]
Watchdog(lambda: calls.hung(0.2), structlog.get_logger(), clock, lambda: blame.accuse(calls.hung_thread(0.2))).start()
stay.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="inherits a file by its number")
def test_the_camera_whose_decoder_hangs_is_named() -> None:
    ear, mouth = os.pipe()
    environment = {**os.environ, LAST_WORDS: str(mouth)}
    result = subprocess.run(
        [sys.executable, "-c", HANG], env=environment, pass_fds=[mouth], check=False, capture_output=True, timeout=60
    )
    os.close(mouth)
    with os.fdopen(ear) as pipe:
        words = pipe.read()
    assert result.returncode == EXIT_HUNG
    assert camera_of(words) == "attic"
    assert "innocent" not in words


def test_without_a_listener_it_goes_to_standard_error() -> None:
    environment = {name: value for name, value in os.environ.items() if name != LAST_WORDS}
    result = subprocess.run(
        [sys.executable, "-c", CRASH], env=environment, stderr=subprocess.PIPE, text=True, check=False
    )
    assert camera_of(result.stderr) == "front-door.2"


def test_what_work_returns_and_raises_comes_through() -> None:
    assert blame.under("cam", lambda: 7) == 7
    with pytest.raises(KeyError) as caught:
        blame.under("cam", lambda: {}["x"])
    assert [entry.name for entry in caught.traceback if entry.name == frame_name("cam")]


@pytest.mark.parametrize("text", ["", "Fatal Python error: Segmentation fault\n", '  File "x", line 1 in camera:a b\n'])
def test_nobody_is_blamed_without_evidence(text: str) -> None:
    assert camera_of(text) == ""


def test_the_predecessor() -> None:
    assert predecessors_camera({CRASHED: "cam"}) == "cam"
    assert predecessors_camera({}) == ""
