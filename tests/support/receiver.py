"""A real HTTP server that can be told how to answer."""

from __future__ import annotations

import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = tuple[int, dict[str, str]]


class Receiver:
    """Takes POSTs; answers what `answers` says, in turn, then 200."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.times: list[float] = []
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[Answer] = []
        self.hang = threading.Event()  # set: a request waits until `close`
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                receiver.times.append(time.monotonic())
                receiver.taken.append(({name.lower(): value for name, value in self.headers.items()}, data))
                if receiver.hang.is_set():
                    receiver._closing.wait(30)
                    return
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
