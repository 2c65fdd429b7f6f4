"""A real dashboard on a port of its own, and what talks to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
import structlog
import uvicorn
from playwright.sync_api import Browser, Page, expect

from dashboard.access.gate import Gate
from dashboard.access.users import Access, User
from dashboard.config import DashboardConfig
from dashboard.hub import Hub
from dashboard.service import assemble, gate_of, listen, serve
from tests.dashboard.feed import Feed
from tests.support.servers import free_port, wait_until
from wire.bus import connect_async
from wire.keys import Keys


@dataclass
class Running:
    """A dashboard that serves in a thread of this process."""

    config: DashboardConfig
    port: int = 0
    hub: Hub = field(init=False)
    gate: Gate = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)
    _server: uvicorn.Server = field(init=False)
    _failure: BaseException | None = None

    @property
    def http(self) -> str:
        """The page's address, without the slash."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """The subscribers' address."""
        return f"ws://127.0.0.1:{self.port}/ws/v1"

    def start(self) -> None:
        """Listen, serve, and wait until it answers."""
        listener = listen("127.0.0.1", self.port)
        self.port = listener.getsockname()[1]
        ready = threading.Event()

        async def main() -> None:
            self.loop = asyncio.get_running_loop()
            bus = connect_async(self.config.redis_url)
            log: Any = structlog.wrap_logger(structlog.PrintLogger(), processors=[_silent])
            self.gate = gate_of(self.config, bus, log)
            self._server, self.hub = assemble(self.config, bus, log, self.gate)
            ready.set()
            await serve(self.config, self._server, self.hub, bus, listener, log, self.gate)

        def thread() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                self._failure = error

        self._thread = threading.Thread(target=thread, daemon=True)
        self._thread.start()
        assert ready.wait(20)
        wait_until(lambda: self._server.started, 20, "the dashboard serves")

    def synced(self) -> Running:
        """Wait until it has the whole picture."""
        wait_until(self.hub.synced.is_set, 20, "the dashboard has read Redis")
        return self

    @property
    def connections(self) -> int:
        """Open connections of any kind."""
        return len(self._server.server_state.connections)

    def stop(self) -> None:
        """End it as SIGTERM would, and pass on what it died of."""
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure


def _silent(_logger: object, _method: str, _event: object) -> Any:
    raise structlog.DropEvent


@pytest.fixture
def feed(bus: redis.Redis, keys: Keys) -> Feed:
    """Publishes as the services would."""
    return Feed(bus, keys)


@pytest.fixture
def dashboard(redis_url: str) -> Iterator[Callable[..., Running]]:
    """Starts dashboards (fields of DashboardConfig, port, token, users); each is stopped at the end."""
    running: list[Running] = []

    def make(*, port: int = 0, token: str | None = None, users: tuple[User, ...] = (), **options: Any) -> Running:
        options["access"] = Access(token, {user.principal.name: user for user in users})
        one = Running(DashboardConfig(**{"redis_url": redis_url, "name": f"d{len(running)}", "tick_s": 0.1, **options}))
        one.port = port or free_port()  # its own over restarts: the system gives away what it has given once
        one.start()
        running.append(one)
        return one

    yield make
    for one in running:
        one.stop()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own; whatever it complains of fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme="dark")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.on("request", lambda asked: complaints.append(asked.url) if "//127.0.0.1:" not in asked.url else None)
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    yield page
    context.close()
    assert [line for line in complaints if not line.startswith("blob:http://127.0.0.1:")] == []
