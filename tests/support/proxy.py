"""A TCP proxy whose connections a test can cut, hold up or half close, as a network would: in the middle of whatever
passes, without a goodbye."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close sends a reset


class Proxy:
    """Passes bytes between its own port and another. `delay_s`: how long each piece of bytes is held back."""

    def __init__(self, target: int) -> None:
        self.delay_s = 0.0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._near: set[socket.socket] = set()  # those of the clients
        self._flowing = threading.Event()
        self._flowing.set()
        self._down = False
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def cut(self) -> None:
        """Reset every connection on both sides."""
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    one.shutdown(socket.SHUT_RDWR)

    def down(self) -> None:
        """Cut, and reset whoever connects until `up`."""
        self._down = True
        self.cut()

    def up(self) -> None:
        """Let connections in again."""
        self._down = False

    def stall(self) -> None:
        """Pass nothing until `flow`, the connections staying open: every packet is lost."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass what was held up, and all that follows."""
        self._flowing.set()

    def half_close(self) -> None:
        """End the replies: what the clients have sent still arrives and is carried out, and they never hear of it."""
        with self._lock:
            for one in self._near:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Stop for good."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.flow()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _start(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    if self._down:
                        raise ConnectionRefusedError
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    near.close()
                    continue
                with self._lock:
                    self._open |= {near, far}
                    self._near.add(near)
                done = threading.Barrier(2)
                self._start(self._pass, near, far, done)
                self._start(self._pass, far, near, done)

    def _pass(self, source: socket.socket, sink: socket.socket, done: threading.Barrier) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                self._flowing.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        done.wait()  # the other direction may still use this socket's number
        with self._lock:
            self._open.discard(source)
            self._near.discard(source)
        source.close()


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """A proxy to a port of this machine, closed afterwards."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
