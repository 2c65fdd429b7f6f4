"""An HTTP server that a test fills with answers: playlists, segments, redirects, logins, and heads that trickle in."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Site:
    """What is served, and what was asked for. A callable writes its own answer, head included."""

    port: int
    pages: dict[str, bytes | Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    login: str = ""  # "user:password", where one is wanted
    asked: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    def url(self, path: str, login: str = "", host: str = "127.0.0.1") -> str:
        """The address of a page."""
        return f"http://{login + '@' if login else ''}{host}:{self.port}{path}"


@contextmanager
def serving() -> Iterator[Site]:
    """A site on 127.0.0.1 that knows byte ranges."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        server.site = site = Site(server.server_address[1])  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Site = self.server.site  # type: ignore[attr-defined]
        site.asked.append(self.path)
        site.headers.append(dict(self.headers))
        if (
            site.login
            and self.headers.get("Authorization") != f"Basic {base64.b64encode(site.login.encode()).decode()}"
        ):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
        elif target := site.redirects.get(self.path):
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()
        elif (page := site.pages.get(self.path)) is None:
            self.send_error(404)
        elif callable(page):
            try:
                page(self)
            except OSError:
                return
        else:
            self._send(page)

    def _send(self, page: bytes) -> None:
        first, last = 0, len(page) - 1
        if wanted := self.headers.get("Range", "").removeprefix("bytes="):
            begin, _, end = wanted.partition("-")
            first, last = int(begin), int(end or last)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(page)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        try:
            self.wfile.write(page[first : last + 1])
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        pass
