"""Reading the streams: pages of alert events with losses noticed, and decoding that never stops a loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import redis
import redis.asyncio

from dashboard import cursors
from dashboard.cursors import START, Cursor
from dashboard.history import Entry
from dashboard.protocol import GapReason
from wire.keys import FIELD
from wire.messages import AlertEvent, Message

PAGE = 500
Row = tuple[bytes, dict[bytes, bytes] | None]
M = TypeVar("M", bound=Message)
BUS_ERRORS = (redis.RedisError, OSError)


@dataclass(frozen=True, slots=True)
class Page:
    """Alert events that follow a cursor, the cursor reached, and what was lost in between."""

    entries: list[Entry]
    reached: Cursor
    gap: GapReason | None = None
    undecodable: int = 0


async def read_page(bus: redis.asyncio.Redis, stream: str, after: Cursor, limit: int = PAGE) -> Page:
    """The next events after `after`. Raises redis errors.

    The stream's description and its entries are read in one transaction, so that no trimming falls between them.
    """
    pipe = bus.pipeline(transaction=True)
    pipe.xinfo_stream(stream)
    pipe.xrange(stream, min="(" + cursors.show(after), max="+", count=limit)
    info, rows = await pipe.execute(raise_on_error=False)
    if isinstance(info, redis.ResponseError):  # no such stream: nothing was ever written, or all of it is lost
        return Page([], START, "reset" if after > START else None)
    for answer in (info, rows):
        if isinstance(answer, Exception):
            raise answer
    gap = _gap(info, after)
    if gap == "reset" and cursors.parse(info["last-generated-id"]) < after:
        return Page([], START, gap)
    entries, reached, undecodable = decode_events(rows, after)
    if not rows:  # whatever lay between is gone: it is told once
        reached = max(after, cursors.parse(info["last-generated-id"]))
    return Page(entries, reached, gap, undecodable)


def _gap(info: dict[str, Any], after: Cursor) -> GapReason | None:
    """Whether events between `after` and the first one kept are lost."""
    last = cursors.parse(info["last-generated-id"])
    if after > last:
        return "reset"
    row = info.get("first-entry")
    first = cursors.parse(row[0]) if row else None
    if after == last or (first is not None and first <= after):
        return None
    removed = info.get("entries-added", 0) > info["length"]
    if removed:
        return "trimmed"
    # Nothing was ever removed from this stream, so a cursor that precedes it all belongs to one that is no more.
    return "reset" if after > START else None


def decode_events(rows: Sequence[Row], after: Cursor) -> tuple[list[Entry], Cursor, int]:
    """Entries of the rows, the cursor after them, and how many could not be read."""
    entries: list[Entry] = []
    undecodable = 0
    for id, fields in rows:
        after = cursors.parse(id)
        event = decode(AlertEvent, fields)
        if event is None:
            undecodable += 1
        else:
            entries.append(Entry.of(after, event))
    return entries, after, undecodable


def decode(kind: type[M], fields: dict[bytes, bytes] | None) -> M | None:
    """The message of a stream entry, or None where there is none that can be read."""
    return kind.read((fields or {}).get(FIELD))


async def last_id(bus: redis.asyncio.Redis, stream: str) -> Cursor:
    """The id of the newest entry ever written to a stream. Raises redis errors."""
    try:
        info = await bus.xinfo_stream(stream)
    except redis.ResponseError:
        return START
    return cursors.parse(cast(bytes, info["last-generated-id"]))
