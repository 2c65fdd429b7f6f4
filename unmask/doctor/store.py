"""Redis, and the clocks of whoever writes to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import redis

from unmask.embedded import address
from unmask.finding import Finding, State, failure
from unmask.server import spaces
from wire import bus
from wire.errors import UnmaskError
from wire.heartbeat import TTL_S
from wire.keys import Keys, literal
from wire.messages import ServiceState
from wire.settings import Settings

OLDEST = 7  # of Redis's versions: those before let entries be claimed that are no more
FULL = 0.8  # of maxmemory
SKEW_S, SKEW_MOST_S = 0.25, 1.0  # windows and alerts are judged by ages of a second and more
MB = 1_000_000


def look(settings: Settings, clock: Callable[[], float] = time.time) -> list[Finding]:
    """Redis and clocks."""
    url = settings.redis.url or address(settings.state)
    if not url:
        return [Finding("redis", "ok", "embedded server, not running: 'unmask run' starts it")]
    try:
        with bus.connect(url) as client, spaces(settings, client) as found:
            nodes = found.others if settings.redis.cluster else ()
            each = [server(client.info()), *(server(one.bus.info(), f"redis {one.keys.prefix}") for one in nodes)]
            return [*each, clocks(skews(client, found.home.keys, clock))]
    except UnmaskError as error:
        return [failure("redis", error)]
    except redis.RedisError as error:
        problem, remedy = f"Redis does not tell its state ({bus.reason(error)})", "allow its user INFO, TIME and SCAN"
        return [Finding("redis", "failed", problem, remedy)]


def server(info: Mapping[str, Any], called: str = "redis") -> Finding:
    """What INFO says, and the first thing to do about it."""
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version", "?"))
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    policy, aof = str(info.get("maxmemory_policy", "?")), bool(info.get("aof_enabled"))
    facts = {
        "server": name, "version": version, "used_memory": used, "maxmemory": most, "policy": policy,
        "appendonly": aof, "last_write_ok": info.get("aof_last_write_status", "ok") == "ok",
    }  # fmt: skip
    limit = f"{most / MB:.0f} MB" if most else "no limit"
    words = f"{name} {version}, {used / MB:.0f} MB of {limit}, {policy}, append-only file {'on' if aof else 'off'}"
    major = str(info.get("redis_version", "")).partition(".")[0]  # which Valkey tells, too
    old = major.isdigit() and int(major) < OLDEST
    troubles: list[tuple[bool, State, str]] = [
        (old, "failed", f"run Valkey, or Redis {OLDEST} or newer: with this, windows are counted wrong"),
        (policy != "noeviction", "failed", "set maxmemory-policy to noeviction: it throws alerts and queues away"),
        (not facts["last_write_ok"], "failed", "free its disk: it can't write its append-only file"),
        (0 < most < used, "failed", "raise maxmemory or lower streamer.queue_max_mb: no write is taken any more"),
        (0 < FULL * most < used, "warning", "raise maxmemory, or lower streamer.queue_max_mb, alerts.evidence_mb"),
        (not most, "warning", "set maxmemory: without it the system ends the server when memory runs out"),
        (not aof, "warning", "set appendonly to yes: alerts are lost when it starts again"),
    ]
    for wrong, state, remedy in troubles:
        if wrong:
            return Finding(called, state, words, remedy, facts)
    return Finding(called, "ok", words, facts=facts)


def skews(client: redis.Redis, keys: Keys, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds by which each clock is ahead of Redis's: this machine's, and those of the services by their heartbeats.

    A heartbeat's time of writing, by Redis, is told by how long it has still to live. Raises redis.RedisError.
    """
    before = clock()
    there = _time(client.time())
    found = {"this machine": (before + clock()) / 2 - there}
    pattern = literal(keys.prefix) + keys.service("*", "*").removeprefix(keys.prefix)
    for key in client.scan_iter(match=pattern, count=1000):
        with client.pipeline() as pipe:
            pipe.get(key)
            pipe.pttl(key)
            pipe.time()
            data, left_ms, now = pipe.execute()
        state = ServiceState.read(data)
        if state and left_ms > 0:
            written = _time(now) - (TTL_S - left_ms / 1000)
            found[f"{state.role} {state.id}"] = state.updated - written
    return found


def _time(told: Any) -> float:
    seconds, microseconds = told
    return float(seconds) + float(microseconds) / 1e6


def clocks(found: Mapping[str, float]) -> Finding:
    """Whether the clocks agree; the worst is named."""
    name, worst = max(found.items(), key=lambda item: abs(item[1]))
    facts = {name: round(skew, 4) for name, skew in found.items()}
    away = f"{abs(worst):.3f} s {'ahead of' if worst > 0 else 'behind'} Redis"
    words = f"{len(found)} clocks against Redis, the worst is {name}: {away}"
    if abs(worst) > SKEW_S:
        state: State = "failed" if abs(worst) > SKEW_MOST_S else "warning"
        remedy = "run chrony or systemd-timesyncd there and where Redis runs"
        return Finding("clocks", state, words, remedy, facts)
    return Finding("clocks", "ok", words, facts=facts)
