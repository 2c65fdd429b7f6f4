"""Debian's mosquitto, and waiting for a channel."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.servers import end, free_port, missing, wait_until
from wire.keys import Keys

MOSQUITTO, PASSWD = Path("/usr/sbin/mosquitto"), "/usr/bin/mosquitto_passwd"


class Broker:
    """A mosquitto that asks for user `unmask` and a password; it can be ended and started again on its port."""

    password = "p@ss:word"

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        self.port, self._folder = free_port(), folder
        self._process: subprocess.Popen[bytes] | None = None
        secrets, config = folder / "passwd", folder / "mosquitto.conf"
        subprocess.run([PASSWD, "-b", "-c", str(secrets), "unmask", self.password], check=True, capture_output=True)
        secrets.chmod(0o644)
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\npassword_file {secrets}\nuser root\n"
            "persistence false\n" + (f"certfile {tls[0]}\nkeyfile {tls[1]}\n" if tls else "")
        )

    @property
    def url(self) -> str:
        return f"mqtt://unmask:p%40ss%3Aword@127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self._folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_until(self._answers, 20, "mosquitto listens")

    def stop(self) -> None:
        if self._process is not None:
            end(self._process)

    def _answers(self) -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Starts a mosquitto (arguments of Broker but the folder); it is ended at the end."""
    if not MOSQUITTO.exists():
        missing("no mosquitto: run scripts/install-system.sh test")
    with ExitStack() as stack:

        def make(**options: Any) -> Broker:
            folder = tmp_path / "mosquitto"
            folder.mkdir()
            one = Broker(folder, **options)
            stack.callback(one.stop)
            one.start()
            return one

        yield make


@pytest.fixture
def broker(make_broker: Callable[..., Broker]) -> Broker:
    return make_broker()


@pytest.fixture
def placed(bus: redis.Redis, keys: Keys) -> Callable[[str], None]:
    """Waits until a channel has its place in the stream: what comes afterwards is delivered."""

    def wait(channel: str) -> None:
        wait_until(lambda: bus.exists(keys.notified(channel)), 30, f"{channel} has its place")

    return wait
