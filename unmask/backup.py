"""`unmask backup` and `unmask restore`: alerts with their cursors, reviews, evidence and references, in one file.

The file: a line that names the format, a MessagePack list of [key without its prefix, when it expires in Unix
milliseconds or 0, the server's own DUMP of it], and the SHA-256 of all before. A DUMP of the alert stream keeps its
ids, so a cursor means the same afterwards.
"""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import msgspec
import redis
from rich.console import Console

from unmask import server
from wire.errors import UnmaskError, UsageError
from wire.heartbeat import alive
from wire.keys import Keys, literal
from wire.messages import Role
from wire.settings import Settings

MAGIC = b"unmask backup 1\n"
CORE = (
    "alerts", "alert:*", "review:*", "reference:*", "notified:*", "snooze:*", "camera-names", "camera-troubles",
    "camera-opened:*", "last-opened", "track:*", "held:*", "due-tracks", "outcomes", "detectors", "evidence-index",
    "mqtt-topics",
)  # fmt: skip
EVIDENCE = "evidence:*"
PAGE = 64
STAGED = "restoring:"
REMEDY = "name a file that 'unmask backup' wrote"
ROLES: tuple[Role, ...] = ("streamer", "worker", "dashboard")

Row = tuple[bytes, int, bytes]  # key without prefix, expiry in Unix milliseconds or 0, DUMP


def backup(path: Path, settings: Settings) -> int:
    """Write the file, whole or not at all; the exit code. Raises UnmaskError."""
    with server.opened(settings) as client:
        rows = _read(client, Keys(settings.redis.prefix))
    _write(path, rows)
    said = f"{path}: {_words(rows)}, {path.stat().st_size / 1e6:.1f} MB. It shows faces: keep it as such."
    Console().print(said, markup=False)
    return 0


def restore(path: Path, settings: Settings, replace: bool) -> int:
    """Put back what the file holds, all or nothing; the exit code. Raises UnmaskError, with nothing changed."""
    rows = _load(path)
    keys = Keys(settings.redis.prefix)
    with server.opened(settings) as client:
        if running := [role for role in ROLES if alive(client, keys, role)]:
            raise UsageError(f"{', '.join(running)} still runs on this Redis", "stop all services first")
        there = _names(client, keys, (*CORE, EVIDENCE))
        if there and not replace:
            raise UsageError(
                f"this Redis holds {len(there)} keys of alerts already",
                "add --replace to put the backup in their place",
            )
        kept = _put(client, keys, rows, there)
    expired = len(rows) - len(kept)
    Console().print(f"{path}: {_words(kept)} restored, {expired} keys had expired meanwhile", markup=False)
    return 0


def _words(rows: list[Row]) -> str:
    kinds = ("alert", "review", "evidence")
    counts = [sum(row[0].startswith(f"{kind}:".encode()) for row in rows) for kind in kinds]
    return "{} alerts, {} reviews, {} with evidence".format(*counts)


def _names(client: redis.Redis, keys: Keys, patterns: tuple[str, ...]) -> list[bytes]:
    found: set[bytes] = set()
    for pattern in patterns:
        if pattern.endswith("*"):
            found.update(client.scan_iter(match=literal(keys.prefix) + pattern, count=1000))
        elif client.exists(keys.prefix + pattern):
            found.add((keys.prefix + pattern).encode())
    return sorted(found)


def _read(client: redis.Redis, keys: Keys) -> list[Row]:
    """What matters together at one moment, then the evidence key by key: its parts never change, they only come."""
    rows = _dump(client, keys, _names(client, keys, CORE))
    evidence = _names(client, keys, (EVIDENCE,))
    for at in range(0, len(evidence), PAGE):
        rows += _dump(client, keys, evidence[at : at + PAGE])
    return rows


def _dump(client: redis.Redis, keys: Keys, names: list[bytes]) -> list[Row]:
    with client.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.dump(name)
            pipe.execute_command("PEXPIRETIME", name)  # type: ignore[no-untyped-call]
        answers: list[Any] = pipe.execute()
    cut = len(keys.prefix.encode())
    pairs = zip(names, answers[::2], answers[1::2], strict=True)
    return [(name[cut:], max(0, expires), data) for name, data, expires in pairs if data is not None]


def _write(path: Path, rows: list[Row]) -> None:
    body = MAGIC + msgspec.msgpack.encode(rows)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(body + hashlib.sha256(body).digest())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UnmaskError(f"{path} can't be written ({error.strerror})", "name a file in a folder with room") from None


def _load(path: Path) -> list[Row]:
    """Raises UnmaskError for what is no whole backup."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnmaskError(f"{path} can't be read ({error.strerror})", REMEDY) from None
    body, sum = data[:-32], data[-32:]
    if not data.startswith(MAGIC) or hashlib.sha256(body).digest() != sum:
        raise UnmaskError(f"{path} is no backup, or not a whole one", REMEDY)
    return msgspec.msgpack.decode(body[len(MAGIC) :], type=list[Row])


def _put(client: redis.Redis, keys: Keys, rows: list[Row], there: list[bytes]) -> list[Row]:
    """Aside first, where the server refuses what it can't read; then in one transaction to its place."""
    now_ms = time.time() * 1000
    kept = [row for row in rows if row[1] == 0 or row[1] > now_ms]
    prefix, aside = keys.prefix.encode(), f"{keys.prefix}{STAGED}".encode()
    for left in client.scan_iter(match=f"{literal(keys.prefix)}{STAGED}*", count=1000):  # by one that was cut off
        client.delete(left)
    try:
        for name, expires, data in kept:
            client.restore(aside + name, expires, data, replace=True, absttl=bool(expires))
    except redis.ResponseError as error:
        for name, _, _ in kept:
            client.delete(aside + name)
        raise UnmaskError(
            f"this server can't take the backup ({error})", "restore into the same server version, or a newer one"
        ) from None
    with client.pipeline(transaction=True) as pipe:
        if there:
            pipe.delete(*there)
        pipe.delete(keys.evidence_bytes)
        for name, _, _ in kept:
            pipe.rename(aside + name, prefix + name)
        pipe.execute()
    _count(client, keys)
    return kept


def _count(client: redis.Redis, keys: Keys) -> None:
    """The sizes of what evidence is there, and the index without what is not."""
    ids: Any = client.zrange(keys.evidence_index, 0, -1)
    total = 0
    for id in ids:
        parts: Any = client.hvals(keys.evidence(id.decode()))
        if not parts:
            client.zrem(keys.evidence_index, id)
            continue
        size = sum(map(len, parts))
        client.hset(keys.evidence_bytes, id, size)
        total += size
    if total:
        client.hset(keys.evidence_bytes, "", total)
