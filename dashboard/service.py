"""The dashboard as a service: one port, one reader of the streams, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import signal
import socket
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio
import uvicorn

from dashboard import tls
from dashboard.access.gate import Gate
from dashboard.access.logins import Logins
from dashboard.config import DashboardConfig, from_settings, is_loopback
from dashboard.connection import BoundedHttp
from dashboard.handshakes import secured
from dashboard.headers import SecurityHeaders
from dashboard.http import Api
from dashboard.hub import Hub
from dashboard.limits import MAX_HEAD, MAX_TARGET, Door
from dashboard.metrics import Metrics
from dashboard.notify.build import couriers
from dashboard.probes import refused
from dashboard.protocol import MAX_MESSAGE_BYTES
from dashboard.shape import Shape
from dashboard.spaces import Space
from dashboard.streams import BUS_ERRORS
from dashboard.tasks import end
from dashboard.transport import BoundedProtocol
from wire import garbage, telemetry
from wire.bus import connect_async, reason
from wire.ending import leave_within
from wire.errors import ServiceError
from wire.heartbeat import TTL_S, restarts
from wire.messages import ServiceState, ServiceStatus
from wire.settings import Settings
from wire.telemetry import Log
from wire.watchdog import PERIOD_S, notify

if TYPE_CHECKING:
    from dashboard.traces import Traces

LEAVE_S = 1.2  # after the last connection
GRACE_S = 1  # for open connections when the service stops
BACKLOG = 1024
PING_TIMEOUT_S = 60.0  # a ping waits behind all that is buffered for a slow client, and so does its answer


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises UnmaskError when it can't start."""
    config = from_settings(settings)
    tls.of(config)  # said before anything is started
    raise_file_limit()
    log = telemetry.setup(settings.telemetry, "dashboard")
    listener = listen(config.host, config.port)
    asyncio.run(_until_signalled(config, listener, log))


def raise_file_limit() -> None:
    """Allow as many open files as the system does: every subscriber is one, and the usual soft limit is 1,024."""
    if sys.platform == "win32":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _until_signalled(config: DashboardConfig, listener: socket.socket, log: Log) -> None:
    def stop(_number: int, _frame: object) -> None:
        # uvicorn has handlers of its own while it serves; afterwards it raises the signal again, for this one.
        server.should_exit = True
        leave_within(LEAVE_S)  # a name that does not resolve keeps asyncio from closing

    bus = connect_async(config.redis_url)
    gate = gate_of(config, bus, log)
    server, hub = assemble(config, bus, log, gate)
    garbage.set_apart()
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        await serve(config, server, hub, bus, listener, log, gate)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def gate_of(config: DashboardConfig, bus: redis.asyncio.Redis, log: Log) -> Gate:
    """What lets in."""
    return Gate(config.access, Logins(bus, config.keys, config.access, config.login_idle_s, config.login_s), log)


def _traces(config: DashboardConfig, log: Log) -> Traces | None:
    """What sends traces, where it is wanted. Raises ServiceError where OpenTelemetry is not installed."""
    if not config.traces.endpoint:
        return None
    from dashboard.traces import Traces

    return Traces(config.traces, config.name, log)


def assemble(config: DashboardConfig, bus: redis.asyncio.Redis, log: Log, gate: Gate) -> tuple[uvicorn.Server, Hub]:
    """The web server and the hub behind it, not yet running."""
    metrics = Metrics()
    hub = Hub(config, bus, log, metrics, traces=_traces(config, log))
    app = SecurityHeaders(Shape(Api(config, hub, metrics, gate).app()))
    door = Door(config.max_connections, config.max_connections_per_address)
    http: Any = partial(BoundedHttp, door=door)
    ws: Any = partial(BoundedProtocol, door=door)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    options = uvicorn.Config(
        app, http=http, ws=ws, lifespan="off", log_config=None, access_log=False,
        h11_max_incomplete_event_size=MAX_HEAD + MAX_TARGET,
        ws_max_size=MAX_MESSAGE_BYTES, ws_per_message_deflate=False, server_header=False,
        timeout_graceful_shutdown=GRACE_S, proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=list(config.trusted_proxies), ws_ping_timeout=PING_TIMEOUT_S,
        headers=[tls.HSTS] if config.tls_certificate and not is_loopback(config.host) else None,
    )  # fmt: skip
    return uvicorn.Server(options), hub


async def serve(
    config: DashboardConfig,
    server: uvicorn.Server,
    hub: Hub,
    bus: redis.asyncio.Redis,
    listener: socket.socket,
    log: Log,
    gate: Gate,
) -> None:
    """Serve on `listener` until `server.should_exit`."""
    notifying = couriers(config, hub, bus, log)
    spaces = (hub.spaces.home, *hub.spaces.others)
    beating = [_beat(config, space, hub, log) for space in spaces]
    works = [hub.run(), hub.tick(), hub.look(), gate.patrol(), _tell_supervisor(), *beating, *notifying]
    if certificate := tls.of(config):
        works.append(tls.follow(certificate, log))
        server.config.load()
        before = Door(config.max_connections, config.max_connections_per_address)
        bounded: Any = secured(server.config.http_protocol_class, certificate.context, before)
        server.config.http_protocol_class = bounded
    log.info("listening", url=address(config.host, listener, secure=certificate is not None))
    if certificate and certificate.key_is_public:
        log.warning("every user of this machine can read the key", key=str(certificate.key), remedy="chmod 600")
    tasks = [asyncio.create_task(work) for work in works]
    for task in tasks:
        task.add_done_callback(
            lambda _task: setattr(server, "should_exit", True)
        )  # a reader that died ends the service
    try:
        await server.serve(sockets=[listener])
    finally:
        listener.close()
        deaths = await end(tasks)
        with contextlib.suppress(*BUS_ERRORS, TimeoutError):
            async with asyncio.timeout(0.5):
                await bus.delete(config.keys.service("dashboard", config.name))
        for space in reversed(spaces):
            await space.bus.aclose()
        if hub.traces:
            await asyncio.to_thread(hub.traces.close)
    for death in deaths:
        if death is not None:
            raise death
    log.info("stopped")


async def _beat(config: DashboardConfig, space: Space, hub: Hub, log: Log) -> None:
    """The service's sign of life, every second; in a shard it is nobody's to read, and tells like the home's whether
    Redis takes what is written. A lost one is the hub's to report."""
    key, prefix, since = space.keys.service("dashboard", config.name), space.keys.prefix, time.time()
    while True:
        state: ServiceStatus = "ready" if hub.bus == "ok" else "starting"
        message = ServiceState(
            role="dashboard", id=config.name, state=state, since=since, updated=time.time(), restarts=restarts()
        )
        with contextlib.suppress(*BUS_ERRORS):
            try:
                await space.bus.set(key, message.encode(), ex=TTL_S)
                hub.refused.pop(prefix, None)
            except redis.ResponseError as error:
                if prefix not in hub.refused:
                    log.warning("Redis takes no writes", reason=reason(error), prefix=prefix)
                hub.refused[prefix] = refused(error)
        await asyncio.sleep(1)


async def _tell_supervisor() -> None:
    """That the event loop comes round: when a call keeps it, this falls silent, and the supervisor starts anew."""
    while True:
        notify()
        await asyncio.sleep(PERIOD_S)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServiceError, which says what to do about it."""
    try:
        family, kind, proto, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise ServiceError(f"dashboard.host {host}: {error.strerror}", "give an address of this machine") from None
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        cause = f"port {port} on {host} is in use" if taken else f"can't listen on {host} port {port}: {error.strerror}"
        raise ServiceError(cause, "choose another with dashboard.port (UNMASK_DASHBOARD__PORT), or 0") from None
    return listener


def address(host: str, listener: socket.socket, *, secure: bool = False) -> str:
    """The url to open in a browser."""
    port = listener.getsockname()[1]
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http{'s' if secure else ''}://{name}:{port}/"
