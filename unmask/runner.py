"""The all-in-one runner: the embedded server if no Redis is configured, then worker, dashboard and streamer."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import redis
from rich.console import Console

from dashboard.notify.build import channels
from streamer import sources
from unmask.embedded import EmbeddedServer
from unmask.supervisor import Child, Supervisor
from wire import bus, telemetry
from wire.errors import ServiceError, UsageError
from wire.heartbeat import alive
from wire.keys import Keys
from wire.messages import Role
from wire.settings import Settings

SERVICES: tuple[Role, ...] = ("worker", "dashboard", "streamer")


def run(settings: Settings, config: Path | None, on_ready: Callable[[str], None] | None = None) -> int:
    """Run everything until a signal; the exit code. `on_ready` gets the page's address once all services are ready.

    Raises UsageError with no camera, UnknownScheme, ConfigError for the url of a receiver of notifications,
    RedisUnreachable, and ServiceError where a service can't be kept running.
    """
    if not settings.cameras:
        raise UsageError(
            "no camera is configured", "add one under 'cameras' (unmask.example.yaml shows how), or try 'unmask demo'"
        )
    for camera in settings.cameras.values():
        sources.parse(camera)  # an unknown scheme is the user's slip: said before anything is started
    channels(settings.notify, None, Keys(settings.redis.prefix))  # so is a receiver's url
    port = _port(settings)
    log = telemetry.setup(settings.telemetry, "unmask")
    with contextlib.ExitStack() as stack:
        embedded = None if settings.redis.url else stack.enter_context(EmbeddedServer(settings.state))
        url = embedded.url if embedded else str(settings.redis.url)
        state = _State(url, Keys(settings.redis.prefix))
        supervisor = Supervisor(log, state.is_ready)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop())
        if embedded:
            supervisor.add(Child("valkey", embedded.command(), hint=f"see {embedded.folder}/valkey.log"))
        else:
            bus.connect(url).close()
        env = {"REDIS_URL": url, "UNMASK_SLOT": "0", "UNMASK_DASHBOARD__PORT": str(port)}
        arguments = ["--config", str(config)] if config else []
        # The worker gives a sign of life once its checkpoint is known to be good; the others have nothing to do before.
        for service in SERVICES:
            when = (lambda: True) if service == "worker" else (lambda: state.is_alive("worker"))
            supervisor.add(Child(service, [sys.executable, "-m", service, *arguments], env, when=when))
        page = f"http://{_shown(settings.dashboard.host)}:{port}/"
        return supervisor.watch(_Once(page, on_ready or _announce))


class _State:
    """What the services' heartbeats say; an unreachable Redis is silence, never an error."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._bus, self._keys = redis.Redis.from_url(url, socket_timeout=1), keys

    def is_alive(self, name: str) -> bool:
        """Whether a service of this role gives signs of life."""
        return bool(self._states(name))

    def is_ready(self, name: str) -> bool:
        """Whether one of them is ready."""
        return "ready" in self._states(name)

    def _states(self, name: str) -> set[str]:
        if name not in SERVICES:
            return set()
        try:
            return {service.state for service in alive(self._bus, self._keys, name)}
        except (redis.RedisError, OSError):
            return set()


class _Once:
    """Asks the dashboard's /readyz until it says yes, then calls back once."""

    def __init__(self, page: str, callback: Callable[[str], None]) -> None:
        self._page, self._callback = page, callback
        self._done = False

    def __call__(self) -> None:
        if self._done:
            return
        try:
            with urllib.request.urlopen(f"{self._page}readyz", timeout=0.5) as answer:
                self._done = answer.status == 200
        except (urllib.error.URLError, OSError):
            return
        if self._done:
            self._callback(self._page)


def _announce(page: str) -> None:
    Console(stderr=True).print(f"[bold green]watching[/] · open [link={page}]{page}[/link] · Ctrl-C stops")


def _port(settings: Settings) -> int:
    """The dashboard's port, known before the dashboard runs. Raises ServiceError when it is taken."""
    host, port = settings.dashboard.host, settings.dashboard.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServiceError(
                f"can't listen on {host}:{port} ({error.strerror})", "choose another port with --port or dashboard.port"
            ) from None
        chosen: int = probe.getsockname()[1]
        return chosen


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def require_redis(settings: Settings, *, wait: bool) -> None:
    """Make sure a Redis is configured and, unless `wait`, that it answers. Raises UsageError or RedisUnreachable."""
    if not settings.redis.url:
        raise UsageError("no Redis is configured", "set REDIS_URL or redis.url; 'unmask run' brings its own server")
    if not wait:
        bus.connect(settings.redis.url).close()
