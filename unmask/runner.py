"""The all-in-one runner: the embedded server if no Redis is configured, then worker, dashboard and streamer."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rich.console import Console

from dashboard.config import admitted
from dashboard.notify.build import channels
from dashboard.tls import Certificate
from streamer import sources
from unmask import listening
from unmask.embedded import EmbeddedServer
from unmask.slot import Slot
from unmask.supervisor import Child, Supervisor
from wire import bus, telemetry
from wire.errors import ConfigError, RedisUnreachable, UsageError
from wire.heartbeat import alive
from wire.keys import Keys
from wire.messages import Role
from wire.plugins import find
from wire.redact import redact
from wire.settings import Settings
from wire.telemetry import Log

WAITS_S = (0.2, 0.3, 0.5, 1.0, 2.0, 5.0)  # between two tries to reach Redis
EMBEDDED_TRIES = 3  # before it is told: our own server takes a moment
SERVICES: tuple[Role, ...] = ("worker", "dashboard", "streamer")
LOOK_S = 0.2  # between two looks at what has started
PARTS = {  # of /readyz
    "redis": "Redis",
    "worker": "the worker, whose network takes some ten seconds",
    "streamer": "the streamer",
    "picture": "the dashboard",
}


def run(settings: Settings, config: Path | None, on_ready: Callable[[str], None] | None = None) -> int:
    """Run everything until a signal; the exit code. `on_ready` gets the page's address once all services are ready.

    A Redis that does not answer yet is waited for. Raises UsageError with no camera, UnknownScheme, ConfigError for the
    url of a receiver of notifications or of Redis and for a plugin that is missing, and ServiceError where a service
    can't be kept running.
    """
    if not settings.cameras:
        raise UsageError(
            "no camera is configured", "add one under 'cameras' (unmask.example.yaml shows how), or try 'unmask demo'"
        )
    for camera in settings.cameras.values():  # an unknown scheme is the user's slip: said before anything is started
        sources.parse(camera, plugins=settings.streamer.sources)
    channels(settings.notify)  # so is a receiver's url
    if detector := settings.worker.detector.plugin:
        find("detector", detector, "worker.detector.plugin")
    if settings.dashboard.tls_certificate:
        Certificate(settings.dashboard.tls_certificate, settings.dashboard.tls_key)
    admitted(settings.dashboard)  # and a user's hash, and a page that would be open to everybody
    log = telemetry.setup(settings.telemetry, "unmask")
    with contextlib.ExitStack() as stack:
        embedded = None if settings.redis.url else stack.enter_context(EmbeddedServer(settings.state))
        port = listening.port(settings)  # a second one on our state folder is told of the folder, which is why
        url = embedded.url if embedded else str(settings.redis.url)
        state = _State(url, Keys(settings.redis.prefix))
        waiting = _Waiting(log, state)
        ready, there = (stack.enter_context(_Ever(ask)) for ask in (state.is_ready, state.is_alive))
        supervisor = Supervisor(log, ready.was)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop())
        if embedded:
            hint = f"see {embedded.folder}/valkey.log"
            supervisor.add(
                Child("valkey", embedded.command(), hint=hint, heard=stack.enter_context(_Pings(state)).heard)
            )
        slot = 0 if embedded else stack.enter_context(Slot(url, settings.redis.prefix)).number
        if slot:
            log.info("another unmask of this machine serves this Redis: they share the cameras", number=slot)
        env = {"UNMASK_SLOT": str(slot), "UNMASK_DASHBOARD__PORT": str(port)}
        if embedded:  # any other, the services read for themselves, where it may stand in a file
            env["REDIS_URL"] = url
        arguments = ["--config", str(config)] if config else []
        # The worker gives a sign of life once its checkpoint is known to be good; the others have nothing to do before.
        for service in SERVICES:
            when = waiting.over if service == "worker" else (lambda: there.was("worker"))
            supervisor.add(Child(service, [sys.executable, "-m", service, *arguments], env, when=when))
        where, certificate = listening.address(settings.dashboard, port), settings.dashboard.tls_certificate
        stack.enter_context(_Start(where, state, certificate, _say_missing, on_ready or _announce))
        return supervisor.watch()


class _Waiting:
    """Asks for Redis again and again, ever more seldom, and says so each time."""

    def __init__(self, log: Log, state: _State) -> None:
        self._log, self._state = log, state
        self._tries, self._next, self._told = 0, float("-inf"), False

    def over(self) -> bool:
        """Whether it answers now; not asked before its time has come."""
        now = time.monotonic()
        if now < self._next:
            return False
        error = self._state.ping()
        if error is None:
            if self._told:
                self._log.info("Redis is there")
            return True
        wait = WAITS_S[min(self._tries, len(WAITS_S) - 1)]
        self._tries, self._next = self._tries + 1, now + wait
        if not self._state.embedded or self._tries > EMBEDDED_TRIES:
            self._told = True
            self._log.warning("waiting for Redis", error=str(bus.unreachable(self._state.url, error)))
        return False


class _Beside(ABC):
    """Asks from a thread of its own while the `with` lasts, since an answer may take a while."""

    def __init__(self, name: str) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()

    @abstractmethod
    def _run(self) -> None:
        """Until `_end` is set."""


class _Pings(_Beside):
    """Asks a server every second whether it answers at all."""

    def __init__(self, state: _State) -> None:
        super().__init__("pings")
        self._state, self._heard = state, float("-inf")

    def heard(self) -> float:
        """When it last answered, by the monotonic clock."""
        return self._heard

    def _run(self) -> None:
        while not self._end.wait(1.0):
            asked = time.monotonic()
            if self._state.answers():
                self._heard = asked


class _Ever(_Beside):
    """Whether something was so of a service once, asked again and again until it was.

    Whoever looks whether services hang must not wait for a Redis that does: what it waits would not count as silence.
    """

    def __init__(self, ask: Callable[[str], bool]) -> None:
        super().__init__("ever")
        self._ask = ask
        self._wanted: dict[str, bool] = {}  # by name: whether it was so

    def was(self, name: str) -> bool:
        """As far as is known now; never waits."""
        return self._wanted.setdefault(name, False)

    def _run(self) -> None:
        while not self._end.wait(LOOK_S):
            for name, was in self._wanted.copy().items():
                if not was and self._ask(name):
                    self._wanted[name] = True


def run_streamer(settings: Settings, config: Path | None) -> int:
    """Run one streamer under supervision until a signal; the exit code. `settings.redis.url` is set.

    A camera that crashes its decoder ends the process it is decoded in; this one is there to tell the next process.
    Raises ServiceError where it can't be kept running.
    """
    state = _State(str(settings.redis.url), Keys(settings.redis.prefix))
    with _Ever(state.is_ready) as ready:
        supervisor = Supervisor(telemetry.setup(settings.telemetry, "unmask"), ready.was)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop())
        env = {"UNMASK_SLOT": os.environ.get("UNMASK_SLOT") or str(os.getpid())}
        command = [sys.executable, "-m", "streamer", *(["--config", str(config)] if config else [])]
        supervisor.add(Child("streamer", command, env))
        return supervisor.watch()


class _State:
    """What the services' heartbeats say; an unreachable Redis is silence, never an error."""

    def __init__(self, url: str, keys: Keys) -> None:
        self._keys, self.url = keys, redact(url)
        self.embedded = url.startswith("unix:")
        retry = Retry(NoBackoff(), 0)  # whoever asks asks again soon
        try:
            self._bus = bus.open_client(url, socket_timeout=1, socket_connect_timeout=1, retry=retry)
        except RedisUnreachable as error:  # nothing was sent yet: the address itself is wrong, or a certificate's file
            raise ConfigError("configuration", "redis.url", error.reason, "correct it, or REDIS_URL") from None

    def answers(self) -> bool:
        """Whether the server answers at all: one that loads its data, or is busy, does."""
        return isinstance(self.ping(), redis.ResponseError | redis.exceptions.BusyLoadingError | None)

    def ping(self) -> Exception | None:
        """What kept one PING from its answer."""
        try:
            self._bus.ping()
        except (redis.RedisError, OSError) as error:
            return error
        return None

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


class _Start(_Beside):
    """Looks at the services while they come up.

    `say` gets in words what is waited for, whenever that is something else; `ready` gets the page's address, once.
    """

    def __init__(
        self,
        page: str,
        state: _State,
        certificate: Path | None,
        say: Callable[[str], None],
        ready: Callable[[str], None],
    ) -> None:
        super().__init__("start")
        self._page, self._state, self._certificate = page, state, certificate
        self._say, self._ready = say, ready

    def _run(self) -> None:
        said = ""
        while not self._end.wait(LOOK_S):
            missing = self._missing()
            if not missing:
                self._ready(self._page)
                return
            if missing != said:
                said = missing
                self._say(missing)

    def _missing(self) -> str:
        """What is not there yet, in words; "" once all is."""
        if self._state.ping() is not None:
            return PARTS["redis"]
        if not self._state.is_alive("worker"):  # the others are started after it
            return PARTS["worker"]
        try:
            parts = listening.parts(self._page, self._certificate)
        except (OSError, http.client.HTTPException, ValueError, KeyError):  # not there yet, or not whole
            return PARTS["picture"]
        return " and ".join(PARTS[name] for name, part in parts.items() if not part["ok"])


def _say_missing(missing: str) -> None:
    console = Console(stderr=True)
    if console.is_terminal:  # whoever looks; programs read one line for what is wrong
        console.print(f"[dim]starting: waiting for {missing}[/]", soft_wrap=True)


def _announce(page: str) -> None:
    Console(stderr=True).print(f"[bold green]watching[/] · open [link={page}]{page}[/link] · Ctrl-C stops")


def require_redis(settings: Settings) -> None:
    """Make sure that a Redis is configured; it may be away yet, a service waits for it. Raises UsageError."""
    if not settings.redis.url:
        raise UsageError("no Redis is configured", "set REDIS_URL or redis.url; 'unmask run' brings its own server")
    _State(settings.redis.url, Keys(settings.redis.prefix))
