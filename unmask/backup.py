"""`unmask backup` and `unmask restore`: alerts with their cursors, reviews, evidence and references, in one file.

The file: a line that names the format, and the number of shards where there are several; a MessagePack list of [key
without its prefix, when it expires in Unix milliseconds or 0, the server's own DUMP of it], where a key of shard 2 has
`2/` before it; and the SHA-256 of all before. A DUMP of the alert stream keeps its ids, so a cursor means the same
afterwards.
"""

from __future__ import annotations

import hashlib
import os
import re
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
from wire.shards import Space, Spaces

MAGIC = b"unmask backup 1\n"
SHARDED = b"unmask backup 2, %d shards\n"
KINDS = {  # what is kept, and what it is in Redis
    "alerts": "stream", "alert:*": "string", "review:*": "string", "reference:*": "string", "notified:*": "string",
    "snooze:*": "string", "camera-names": "set", "camera-troubles": "hash", "camera-opened:*": "string",
    "last-opened": "string", "track:*": "string", "held:*": "hash", "due-tracks": "zset", "outcomes": "hash",
    "detectors": "hash", "evidence-index": "zset", "mqtt-topics": "set", "gathered:*": "hash", "evidence:*": "hash",
}  # fmt: skip
EVIDENCE = "evidence:*"
CORE = tuple(name for name in KINDS if name != EVIDENCE)
PAGE = 64
STAGED = "restoring:"
ASIDE_MS = 3_600_000
REMEDY = "name a file that 'unmask backup' wrote"
ROLES: tuple[Role, ...] = ("streamer", "worker", "dashboard")

_FIRST_LINE = re.compile(rb"unmask backup (?:1|2, (\d{1,4}) shards)\n")
_SHARD = re.compile(rb"\d+/")
Row = tuple[bytes, int, bytes]  # key without prefix, expiry in Unix milliseconds or 0, DUMP


def backup(path: Path, settings: Settings) -> int:
    """Write the file, whole or not at all; the exit code. Raises UnmaskError."""
    with server.opened(settings) as client, server.spaces(settings, client) as spaces:
        # The home first: what a shard has beyond the place that was brought over is brought over later.
        rows = [row for name, space in _named(spaces) for row in _read(space, name)]
    _write(path, rows, settings.redis.shards)
    _say(f"{path}: {_words(rows)}, {path.stat().st_size / 1e6:.1f} MB. It shows faces: keep it as such.")
    return 0


def restore(path: Path, settings: Settings, replace: bool) -> int:
    """Put back what the file holds, all or nothing; the exit code. Raises UnmaskError, with nothing changed."""
    rows = _load(path, settings.redis.shards)
    with server.opened(settings) as client, server.spaces(settings, client) as spaces:
        if running := [role for role in ROLES if alive(client, spaces.home.keys, role)]:
            raise UsageError(f"{', '.join(running)} still runs on this Redis", "stop all services first")
        there = {name: _names(space, (*CORE, EVIDENCE)) for name, space in _named(spaces)}
        if (count := sum(map(len, there.values()))) and not replace:
            raise UsageError(
                f"this Redis holds {count} keys of alerts already", "add --replace to put the backup in their place"
            )
        kept = _put(spaces, rows, there)
    _say(f"{path}: {_words(kept)} restored, {len(rows) - len(kept)} keys had expired meanwhile")
    return 0


def _say(line: str) -> None:
    Console().print(line, markup=False, soft_wrap=True)


def _words(rows: list[Row]) -> str:
    kinds = ("alert", "review", "evidence")
    counts = [sum(_SHARD.sub(b"", row[0]).startswith(f"{kind}:".encode()) for row in rows) for kind in kinds]
    return "{} alerts, {} reviews, {} with evidence".format(*counts)


def _named(spaces: Spaces[redis.Redis]) -> list[tuple[bytes, Space[redis.Redis]]]:
    """The key spaces, each with what its keys have before them in the file."""
    return [(b"", spaces.home), *((b"%d/" % number, space) for number, space in enumerate(spaces.others))]


def _names(space: Space[redis.Redis], patterns: tuple[str, ...]) -> list[bytes]:
    client, keys, found = space.bus, space.keys, set[bytes]()
    for pattern in patterns:
        if pattern.endswith("*"):
            found.update(client.scan_iter(match=literal(keys.prefix) + pattern, count=1000))
        elif client.exists(keys.prefix + pattern):
            found.add((keys.prefix + pattern).encode())
    return sorted(found)


def _read(space: Space[redis.Redis], before: bytes) -> list[Row]:
    """What matters together at one moment, then the evidence key by key: its parts never change, they only come."""
    rows = _dump(space, before, _names(space, CORE))
    evidence = _names(space, (EVIDENCE,))
    for at in range(0, len(evidence), PAGE):
        rows += _dump(space, before, evidence[at : at + PAGE])
    return rows


def _dump(space: Space[redis.Redis], before: bytes, names: list[bytes]) -> list[Row]:
    with space.bus.pipeline(transaction=True) as pipe:
        for name in names:
            pipe.dump(name)
            pipe.execute_command("PEXPIRETIME", name)  # type: ignore[no-untyped-call]
        answers: list[Any] = pipe.execute()
    cut = len(space.keys.prefix.encode())
    pairs = zip(names, answers[::2], answers[1::2], strict=True)
    return [(before + name[cut:], max(0, expires), data) for name, data, expires in pairs if data is not None]


def _write(path: Path, rows: list[Row], shards: int = 1) -> None:
    body = (MAGIC if shards == 1 else SHARDED % shards) + msgspec.msgpack.encode(rows)
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


def _load(path: Path, shards: int = 1) -> list[Row]:
    """Raises UnmaskError for what is no whole backup of ours, and UsageError for one of another number of shards."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnmaskError(f"{path} can't be read ({error.strerror})", REMEDY) from None
    body, sum = data[:-32], data[-32:]
    found = _FIRST_LINE.match(data)
    if found is None or hashlib.sha256(body).digest() != sum:
        raise UnmaskError(f"{path} is no backup, or not a whole one", REMEDY)
    if (held := int(found[1] or 1)) != shards:
        raise UsageError(f"{path} is of redis.shards {held}, not {shards}", "restore it with the same number")
    try:
        rows = msgspec.msgpack.decode(body[found.end() :], type=list[Row])
    except msgspec.DecodeError as error:
        raise UnmaskError(f"{path} is no backup ({error})", REMEDY) from None
    if len(named := {name for name, _, _ in rows}) < len(rows):
        raise UnmaskError(f"{path} is no backup (it names a key twice)", REMEDY)
    spaces = {b"", *(b"%d/" % number for number in range(shards if shards > 1 else 0))}
    if foreign := sorted(name for name in named if _before(name) not in spaces or _kind(name) is None):
        raise UnmaskError(f"{path} is no backup of this version (key {ascii(foreign[0])[2:-1]})", REMEDY)
    return rows


def _put(spaces: Spaces[redis.Redis], rows: list[Row], there: dict[bytes, list[bytes]]) -> list[Row]:
    """Aside first, where the server refuses what it can't read; then to its place, in one transaction a key space.

    Aside a key lives longer than it has to: one that expired before the transaction would make a part of it fail.
    """
    now_ms = time.time() * 1000
    kept = [row for row in rows if row[1] == 0 or row[1] > now_ms]
    each = _named(spaces)
    own = {before: [(n[len(before) :], at, data) for n, at, data in kept if _before(n) == before] for before, _ in each}
    for _, space in each:
        staged = literal(space.keys.prefix) + STAGED
        for left in space.bus.scan_iter(match=f"{staged}*", count=1000):  # by one that was cut off
            space.bus.delete(left)
    try:
        for before, space in each:
            for name, expires, data in own[before]:
                aside = expires and expires + ASIDE_MS
                space.bus.restore(_aside(space) + name, aside, data, replace=True, absttl=bool(expires))
                found: Any = space.bus.type(_aside(space) + name)
                if found.decode() != _kind(name):
                    raise redis.ResponseError(f"{ascii(name)[2:-1]} is a {found.decode()}, not a {_kind(name)}")
    except redis.ResponseError as error:
        for before, space in each:
            for name, _, _ in own[before]:
                space.bus.delete(_aside(space) + name)
        raise UnmaskError(
            f"this server can't take the backup ({error})", "restore into the same server version, or a newer one"
        ) from None
    for before, space in each:
        with space.bus.pipeline(transaction=True) as pipe:
            if there[before]:
                pipe.delete(*there[before])
            pipe.delete(space.keys.evidence_bytes)
            for name, expires, _ in own[before]:
                place = space.keys.prefix.encode() + name
                pipe.rename(_aside(space) + name, place)
                if expires:
                    pipe.pexpireat(place, expires)
            pipe.execute()
        _count(space.bus, space.keys)
    return kept


def _before(name: bytes) -> bytes:
    """Which shard's a key of the file is: what it has before it."""
    found = _SHARD.match(name)
    return found[0] if found else b""


def _kind(name: bytes) -> str | None:
    """What a key of the file has to be in Redis; None for one that no backup holds."""
    head, colon, _ = name[len(_before(name)) :].partition(b":")
    return KINDS.get(head.decode("ascii", "replace") + (":*" if colon else ""))


def _aside(space: Space[redis.Redis]) -> bytes:
    return f"{space.keys.prefix}{STAGED}".encode()


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
