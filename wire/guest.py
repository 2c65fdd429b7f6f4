"""A plugin in a process of its own: what hangs there is killed, what crashes there is started again.

Over the child's standard input and output go requests and replies, one at a time, each with its length in front. What
the plugin itself prints goes to standard error. The child ends when its input does, so that it outlives nobody; and a
call that takes too long ends it from within, with the stack of where it stood, though it holds the interpreter.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Literal, TypeVar

import msgspec

from wire.plugins import Kind, Plugin, find
from wire.redact import redact

LONGEST = 300  # letters of a plugin's own words in ours
GRACE_S = 0.25  # that a late child has to end by itself and say where it stood
HEAD = 4  # bytes of a length
MOST = 1 << 20  # bytes of a reply: thousands of windows' scores
OURS = ("UNMASK_", "REDIS_URL", "NOTIFY_SOCKET")  # variables that are not for a plugin

Failure = Literal["failed", "late", "gone"]
Handler = Callable[[bytes], bytes]
T = TypeVar("T")


class GuestError(Exception):
    """No reply: the plugin raised, took too long, or its process has ended."""

    def __init__(self, failure: Failure, reason: str) -> None:
        super().__init__(reason)
        self.failure: Failure = failure
        self.reason = reason


class Hello(msgspec.Struct, frozen=True):
    """What a child is told first. `limits`: seconds for the start, and for each call."""

    name: str
    options: dict[str, Any]
    limits: tuple[float, float]


class Reply(msgspec.Struct, frozen=True):
    """The answer, or what the plugin raised."""

    body: bytes = b""
    error: str = ""


class Guest:
    """One plugin. `start` and `call` belong to one thread at a time."""

    def __init__(self, module: str, plugin: Plugin, options: Mapping[str, Any], start_s: float, call_s: float) -> None:
        self.plugin, self._module = plugin, module
        self._hello = Hello(plugin.name, dict(options), (start_s, call_s))
        self._start_s, self._call_s = start_s, call_s
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether there is a child to be called."""
        return self._process is not None

    def start(self) -> None:
        """Begin anew, and wait until the plugin is made and warm. Raises GuestError."""
        self.close()
        here = os.pathsep.join(path for path in sys.path if path)
        environment = {name: text for name, text in os.environ.items() if not name.startswith(OURS)}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", self._module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment | {"PYTHONPATH": here}, start_new_session=os.name == "posix",
        )  # fmt: skip
        try:
            self._ask(msgspec.msgpack.encode(self._hello), self._start_s)
        except GuestError:
            self.close()
            raise

    def call(self, request: bytes) -> bytes:
        """Its reply. Raises GuestError; unless the plugin itself raised, the child has ended then."""
        return self._ask(request, self._call_s)

    def close(self) -> None:
        """End the child, and whatever it has started. Any thread may ask; a call under way fails."""
        process, self._process = self._process, None
        if process is None:
            return
        _kill(process)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _ask(self, request: bytes, limit_s: float) -> bytes:
        process, began = self._process, time.monotonic()
        if process is None:
            raise GuestError("gone", "its process has ended")
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(limit_s + GRACE_S, _kill, (process,))
        timer.daemon = True
        timer.start()
        try:
            _write(process.stdin, request)
            reply = heard(process.stdout)
        except GuestError as error:  # whatever it is at, the next it says would not be an answer either
            self.close()
            raise GuestError("gone", error.reason) from None
        except (OSError, EOFError, ValueError):
            lasted = time.monotonic() - began
            self.close()
            if lasted >= limit_s:
                raise GuestError("late", f"no answer within {limit_s:g} s") from None
            raise GuestError("gone", f"its process has ended ({_ending(process)})") from None
        finally:
            timer.cancel()
        if reply.error:
            raise GuestError("failed", line(redact(reply.error)))
        return reply.body


def serve(kind: Kind, make: Callable[[Any], Handler]) -> None:
    """Be the child: load the plugin, let `make` turn it into what answers, and answer until the input ends."""
    source, sink = _pipes()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(source, requests), daemon=True).start()
    hello = msgspec.msgpack.decode(requests.get(), type=Hello)
    start_s, call_s = hello.limits
    try:
        with _limit(start_s):
            handler = make(find(kind, hello.name, "plugin").load()(**hello.options))
    except Exception as error:
        _reply(sink, Reply(error=said(error)))
        return
    _reply(sink, Reply())
    while True:
        request = requests.get()
        try:
            with _limit(call_s):
                reply = Reply(handler(request))
        except Exception as error:
            reply = Reply(error=said(error))
        _reply(sink, reply)


def heard(pipe: IO[bytes]) -> Reply:
    """A child's next reply. Raises GuestError where it is none, EOFError where it ends, ValueError where it is long."""
    return understood(_read(pipe, MOST), Reply)


def understood(data: bytes, kind: type[T]) -> T:
    """What a child said. Raises GuestError where it is no `kind`."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GuestError("failed", line(f"it answers what is no answer: {error}")) from None


def said(error: BaseException) -> str:
    """An exception in one line."""
    return line(f"{type(error).__name__}: {error}")


def line(text: str) -> str:
    """A text in one line of at most LONGEST letters."""
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"


@contextlib.contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """End the process if this takes longer: from C, so that whoever holds the interpreter can't prevent it."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _pipes() -> tuple[IO[bytes], IO[bytes]]:
    """Standard input and output for us alone: whoever prints does it to standard error, whoever reads finds nothing."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _listen(source: IO[bytes], requests: queue.SimpleQueue[bytes]) -> None:
    with contextlib.suppress(OSError, EOFError):
        while True:
            requests.put(_read(source))
    os._exit(0)  # whatever the plugin is at


def _reply(sink: IO[bytes], reply: Reply) -> None:
    _write(sink, msgspec.msgpack.encode(reply))


def _write(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(len(data).to_bytes(HEAD, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes], most: int = 1 << 8 * HEAD) -> bytes:
    """One message. Raises EOFError, and ValueError where it has more than `most` bytes."""
    length = int.from_bytes(_exactly(pipe, HEAD), "big")
    if length > most:
        raise ValueError(length)
    return _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own


def _ending(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    with contextlib.suppress(ValueError, TypeError):
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return str(code)
