"""The process of a plugin: what it may see, and that it outlives nobody. What else it may do: worker/test_second.py."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plugins import install
from wire.guest import Guest, GuestError
from wire.plugins import find

TELLS = """
import os, sys

class Plugin:
    def __init__(self, **options):
        self._options = options

    def notify(self, event):
        sys.stdin.read()
        print("not for the one who asks")
        raise RuntimeError([sorted(n for n in os.environ if n.startswith("UNMASK") or n == "REDIS_URL"), self._options,
                            sys.argv[1:], event])
"""


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guest]:
    install(tmp_path / "site", "notifier", "tells", TELLS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("UNMASK_DASHBOARD__TOKEN", "s3cret")
    monkeypatch.setenv("REDIS_URL", "redis://:s3cret@host")
    made = Guest("dashboard.notify.guest", find("notifier", "tells", "x"), {"key": "k"}, 10, 5)
    yield made
    made.close()


def test_it_sees_its_options_and_nothing_of_ours(guest: Guest) -> None:
    guest.start()
    with pytest.raises(GuestError) as caught:
        guest.call(b'{"type":"test"}')
    assert caught.value.reason == "RuntimeError: [[], {'key': 'k'}, [], {'type': 'test'}]"
    assert guest.alive, "raising is no fall"


def test_it_ends_with_whoever_started_it(guest: Guest) -> None:
    guest.start()
    process = guest._process
    assert isinstance(process, subprocess.Popen)
    assert process.stdin is not None
    process.stdin.close()  # as it is when we are killed
    assert process.wait(5) == 0
    with pytest.raises(GuestError, match="its process has ended"):
        guest.call(b"{}")
    assert not guest.alive


USURPS = """
import contextlib, os

class Plugin:
    def __init__(self, said):
        self._said = bytes.fromhex(said)

    def notify(self, event):
        for number in range(3, 32):  # one of them is where replies go
            with contextlib.suppress(OSError):
                os.write(number, self._said)
"""


@pytest.mark.parametrize(
    ("said", "why"), [("ffffffff", "ended"), ("00000002ffff", "no answer"), ("000000c8" + "91" * 200, "no answer")]
)
def test_bytes_that_are_no_reply_end_it(said: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even four gigabytes of them are waited for."""
    install(tmp_path / "site", "notifier", "usurps", USURPS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    guest = Guest("dashboard.notify.guest", find("notifier", "usurps", "x"), {"said": said}, 10, 5)
    guest.start()
    with pytest.raises(GuestError, match=why):
        guest.call(b"{}")
    assert not guest.alive


def test_options_it_does_not_know_are_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "notifier", "plain", "class Plugin:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    guest = Guest("dashboard.notify.guest", find("notifier", "plain", "x"), {"kye": 1}, 10, 5)
    with pytest.raises(GuestError, match=r"TypeError: Plugin\(\) takes no arguments"):
        guest.start()
    assert not guest.alive
