"""What the dashboard needs of the settings, checked before anything is opened."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from dashboard.access.users import Access, configured
from wire.errors import ConfigError
from wire.heartbeat import identity
from wire.keys import Keys
from wire.settings import DashboardSettings, NotifySettings, Settings, TracesSettings
from wire.shards import Shard


@dataclass(frozen=True, slots=True)
class DashboardConfig:
    """Address, secrets, keys and time limits. Times are seconds."""

    redis_url: str = field(repr=False)
    keys: Keys = field(default_factory=Keys)
    shards: tuple[Shard, ...] = ()  # none: the key space itself
    host: str = "127.0.0.1"
    port: int = 8008
    access: Access = field(default_factory=Access)
    allow_anonymous: bool = False
    login_s: float = 12 * 3600.0  # a login lasts so long at most
    login_idle_s: float = 1800.0  # and this long without its page being open
    trusted_proxies: tuple[str, ...] = ()
    stale_after_s: float = 5.0
    allowed_origins: tuple[str, ...] = ()
    public_url: str | None = None
    max_connections: int = 4096
    max_connections_per_address: int = 256
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    notify: NotifySettings = field(default_factory=NotifySettings, repr=False)
    keep_s: float = 7 * 86_400.0  # alerts and their reviews
    evidence_limit: int = 256_000_000  # bytes of all evidence of a shard together
    traces: TracesSettings = field(default_factory=TracesSettings, repr=False)
    name: str = ""
    heartbeat_s: float = 10.0  # between two heartbeat messages to a subscriber
    hello_s: float = 5.0  # a connection that has not said hello by then is closed
    slow_after_s: float = 10.0  # a subscriber that takes no byte for this long is closed
    tick_s: float = 0.5  # verdicts are judged again this often: silence is noticed without a message


def admitted(section: DashboardSettings) -> Access:
    """Who may come in. Raises ConfigError when it would be open to strangers, or half of its encryption is missing."""
    token = section.token.get_secret_value() if section.token else None
    if token is not None and not token.strip():
        raise ConfigError("configuration", "dashboard.token", "is empty", "give a long random text, or leave it out")
    access = configured(section)
    if not is_loopback(section.host) and access.open and not section.allow_anonymous:
        raise ConfigError(
            "configuration",
            "dashboard.host",
            f"{section.host} is reachable from other machines and there is no token and no user",
            "add one to dashboard.users ('unmask token NAME' makes it), set dashboard.token (UNMASK_DASHBOARD__TOKEN), "
            "or dashboard.allow_anonymous: true",
        )
    if section.tls_key and not section.tls_certificate:
        raise ConfigError("configuration", "dashboard.tls_key", "is set alone", "set dashboard.tls_certificate, too")
    return access


def from_settings(settings: Settings) -> DashboardConfig:
    """The dashboard's part of `settings`. Raises ConfigError as `admitted` does, or where there is no Redis."""
    section = settings.dashboard
    access = admitted(section)
    if not settings.redis.url:
        raise ConfigError(
            "configuration", "redis.url", "not set", "set REDIS_URL, or use 'unmask run', which brings its own server"
        )
    return DashboardConfig(
        redis_url=settings.redis.url,
        keys=Keys(settings.redis.prefix),
        shards=settings.redis.spaces(settings.redis.url),
        host=section.host,
        port=section.port,
        access=access,
        allow_anonymous=section.allow_anonymous,
        login_s=section.login_hours * 3600,
        login_idle_s=section.login_idle_min * 60,
        trusted_proxies=section.trusted_proxies,
        stale_after_s=section.stale_after_s,
        allowed_origins=section.allowed_origins,
        public_url=section.public_url,
        max_connections=section.max_connections,
        max_connections_per_address=section.max_connections_per_address,
        tls_certificate=section.tls_certificate,
        tls_key=section.tls_key,
        notify=settings.notify,
        keep_s=settings.alerts.keep_days * 86_400,
        evidence_limit=settings.alerts.evidence_mb * 1_000_000,
        traces=settings.telemetry.traces,
        name=identity(""),
    )


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address, no port) can only be this machine."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
