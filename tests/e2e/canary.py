"""Marked secrets, and the search for them in every form in which a secret travels."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis


class Canaries:
    """Secrets that exist nowhere else, by name."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    def new(self, name: str, mark: str = "") -> str:
        """Another secret; `mark` are characters that urls must encode."""
        self._made[name] = f"c4n{mark}ary-{secrets.token_hex(8)}"
        return self._made[name]

    def add(self, name: str, secret: str) -> None:
        """One that was made elsewhere."""
        self._made[name] = secret

    def found(self, places: dict[str, bytes]) -> list[str]:
        """ "NAME (FORM) in PLACE", for each that is somewhere it must not be."""
        return [
            f"{name} ({what}) in {place}: …{around(hay, form)}…"
            for name, secret in self._made.items()
            for what, form in forms(secret)
            for place, hay in places.items()
            if form in hay
        ]


def around(hay: bytes, needle: bytes) -> str:
    """The finding with what stands beside it."""
    at = hay.index(needle)
    return hay[max(0, at - 60) : at + len(needle) + 20].decode("utf-8", "replace")


def forms(secret: str) -> Iterable[tuple[str, bytes]]:
    """As it is, percent-encoded, escaped as JSON, and in base64 at any of the three places in a longer text."""
    raw = secret.encode()
    yield "plain", raw
    yield "percent", quote(secret, safe="").encode()
    yield "json", json.dumps(secret)[1:-1].encode()
    yield "reversed", raw[::-1]
    yield "hex", raw.hex().encode()
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + raw).rstrip(b"=")
        yield f"base64+{offset}", text[(0, 2, 3)[offset] : -1]  # what the neighbours share is cut off


def stored(bus: redis.Redis) -> dict[str, bytes]:
    """Everything in Redis, by key, read by its type: DUMP would compress it."""
    read: dict[bytes, Any] = {
        b"string": bus.get, b"hash": bus.hgetall, b"set": bus.smembers, b"list": lambda key: bus.lrange(key, 0, -1),
        b"zset": lambda key: bus.zrange(key, 0, -1), b"stream": bus.xrange,
    }  # fmt: skip
    return {f"redis {key!r}": key + b" " + flat(read[bus.type(key)](key)) for key in bus.scan_iter()}


def flat(value: Any) -> bytes:
    """All bytes within a reply."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return b" ".join(flat(part) for item in value.items() for part in item)
    if isinstance(value, list | tuple | set):
        return b" ".join(flat(part) for part in value)
    return str(value).encode()


def written(*folders: Path) -> dict[str, bytes]:
    """Every file under the folders."""
    found = {}
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        with suppress(FileNotFoundError):  # Valkey's own, while it writes another
            found[f"file {path}"] = path.read_bytes()
    return found


def arguments(pid: int) -> dict[int, bytes]:
    """What a process and all that descend from it were started with."""
    found = {}
    for one in family(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            found[one] = Path(f"/proc/{one}/cmdline").read_bytes()
    return found


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found
