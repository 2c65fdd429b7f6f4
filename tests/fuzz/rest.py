"""The whole web application as a fuzz target, before a real Valkey: any method, address, headers and body."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

import redis
import structlog

from dashboard.api.routes import OPERATIONS
from dashboard.config import DashboardConfig
from dashboard.headers import SECURITY_HEADERS, SecurityHeaders
from dashboard.http import Api
from dashboard.hub import Hub
from dashboard.metrics import Metrics
from dashboard.service import gate_of
from dashboard.shape import Shape
from dashboard.tasks import end
from tests.dashboard.feed import Feed
from tests.support.servers import valkey
from wire.bus import connect_async

METHODS = ("GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS")
NAMES = (
    b"content-type", b"range", b"if-none-match", b"if-range", b"origin", b"authorization", b"host", b"content-length",
    b"transfer-encoding", b"accept", b"x",
)  # fmt: skip


class Rest:
    """An input is lines: method, target, headers as `name:value`, an empty one, and the body."""

    def __enter__(self) -> Self:
        """Start the server and the application."""
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        url, _ = self._stack.enter_context(valkey(folder))
        self._loop = asyncio.new_event_loop()
        self._stack.callback(self._loop.close)
        with redis.Redis.from_url(url) as bus:
            feed = Feed(bus)
            feed.camera("door")
            feed.score("door")
            feed.alert("a1")
            feed.all_evidence("a1", [b"\xff\xd8"] * 3)
        self._app = self._loop.run_until_complete(self._made(DashboardConfig(redis_url=url, name="fuzz")))
        return self

    async def _made(self, config: DashboardConfig) -> SecurityHeaders:
        self._bus = connect_async(config.redis_url)
        metrics = Metrics()
        log = structlog.wrap_logger(structlog.PrintLogger(), processors=[_silent])
        hub = Hub(config, self._bus, log, metrics)
        self._reading = asyncio.create_task(hub.run())
        async with asyncio.timeout(10):
            await hub.synced.wait()
        return SecurityHeaders(Shape(Api(config, hub, metrics, gate_of(config, self._bus, log)).app()))

    def __exit__(self, *_error: object) -> None:
        """End both."""
        self._loop.run_until_complete(end([self._reading]))
        self._loop.run_until_complete(self._bus.aclose())
        self._stack.close()

    def seeds(self) -> list[bytes]:
        """One request of every operation, and one with all headers."""
        body = b'{"minutes": 1, "verdict": "confirmed", "note": "x"}'
        made = [
            f"{one.method}\n{one.path.format(name='door', id='a1', n='0')}\ncontent-type:application/json\n\n".encode()
            + body
            for one in OPERATIONS
        ]
        made.append(b"GET\n/api/v1/alerts?camera=d*&kind=spike&limit=5&from=1&to=2e9&before=a1\nrange:bytes=0-1\n\n")
        made.append(b"GET\n/static/app.js\nif-none-match:*\nrange:bytes=0-5,6-\n\n")
        for minutes in (b'{"minutes": 1}', b'{"verdict": "none"}', b'{"minutes": 1e400}'):
            made.append(b"POST\n/api/v1/snooze\ncontent-type:application/json\n\n" + minutes)
        return made

    def __call__(self, data: bytes) -> None:
        """Ask. AssertionError where the answer is none of ours."""
        status, headers, body = self._loop.run_until_complete(self._ask(data))
        assert status < 500 or body.startswith(b'{"ready":false'), (status, body[:200])
        assert headers[b"content-security-policy"] == SECURITY_HEADERS["content-security-policy"].encode()
        if status >= 400 and body and headers[b"content-type"] == b"application/json" and status != 503:
            assert body.startswith(b'{"error":"'), body[:200]
            assert b"\n" not in body

    async def _ask(self, data: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        head, _, content = data.partition(b"\n\n")
        lines = [*head.split(b"\n"), b"", b""]
        method = lines[0].decode("latin-1") if lines[0].decode("latin-1") in METHODS else METHODS[len(data) % 6]
        target = bytes(byte for byte in lines[1] if 32 < byte < 127)  # as far as HTTP's grammar goes
        path, _, query = target.partition(b"?")
        pairs = [line.partition(b":") for line in lines[2:] if b":" in line]
        named = [(name.lower(), value) for name, _, value in pairs if name.lower() in NAMES and _plain(value)]
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(path.decode("ascii")), "raw_path": path, "query_string": query, "root_path": "",
            "headers": [(b"host", b"localhost"), *named], "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        }  # fmt: skip
        waiting = [{"type": "http.request", "body": content, "more_body": False}]
        said: list[Any] = []

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        body = b"".join(one.get("body", b"") for one in said[1:])
        return said[0]["status"], dict(said[0]["headers"]), body


def _plain(value: bytes) -> bool:
    return all(byte >= 32 and byte != 127 for byte in value)


def _silent(_logger: object, _method: str, _event: object) -> Any:
    raise structlog.DropEvent
