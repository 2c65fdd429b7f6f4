"""The process of a plugin: what it may see, and that it outlives nobody. What else it may do: worker/test_second.py."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plugins import install
from wire.guest import Guest, GuestError, heard
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
    made = Guest("dashboard.notify.guest", find("notifier", "tells", "x"), {"key": "k"}, 60, 30)
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
    assert process.wait(20) == 0
    with pytest.raises(GuestError, match="its process has ended"):
        guest.call(b"{}")
    assert not guest.alive


USURPS = """
import contextlib, os

class Plugin:
    def notify(self, event):
        for number in range(3, 32):  # one of them is where replies go
            with contextlib.suppress(OSError):
                os.write(number, b"\\xff" * 4)
"""


def test_a_reply_of_four_gigabytes_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "notifier", "usurps", USURPS)
    monkeypatch.syspath_prepend(tmp_path / "site")
    guest = Guest("dashboard.notify.guest", find("notifier", "usurps", "x"), {}, 60, 60)
    guest.start()
    with pytest.raises(GuestError, match="ended"):
        guest.call(b"{}")
    assert not guest.alive


@pytest.mark.parametrize("body", [b"", b"\xff\xff", b"\x91" * 5000, b"\x81\xa5error\xa1\xff", b"\x81\xa4body\xa1x"])
def test_bytes_that_are_no_reply(body: bytes) -> None:
    with pytest.raises(GuestError, match="no answer"):
        heard(io.BytesIO(len(body).to_bytes(4) + body))


def test_options_it_does_not_know_are_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "notifier", "plain", "class Plugin:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    guest = Guest("dashboard.notify.guest", find("notifier", "plain", "x"), {"kye": 1}, 60, 30)
    with pytest.raises(GuestError, match=r"TypeError: Plugin\(\) takes no arguments"):
        guest.start()
    assert not guest.alive
