"""`unmask forget`: everything that is kept of a camera up to now, or of one alert, is deleted.

A worker in the middle brings nothing back: of a camera that is being forgotten it commits only windows that are still
in the stream, and they leave it first; what was committed before is deleted after. Each later step may be repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import redis
import typer
from rich.console import Console

from unmask import server
from wire.errors import UsageError
from wire.keys import FIELD, GROUP, literal
from wire.messages import Alert, AlertEvent, CameraState, DeadLetter, Message, Score, Window
from wire.settings import Settings
from wire.shards import Space, Spaces

PAGE = 64
M = TypeVar("M", bound=Message)

_DROP = """
redis.call('XACK', KEYS[1], ARGV[1], unpack(ARGV, 2))
local gone = redis.call('XDEL', KEYS[1], unpack(ARGV, 2))
if gone > 0 then redis.call('HINCRBY', KEYS[2], 'trimmed', gone) end
return gone
"""
_EVIDENCE = """
redis.call('HINCRBY', KEYS[3], '', 0 - (redis.call('HGET', KEYS[3], ARGV[1]) or 0))  -- "-0" is no number to Redis
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
"""


def run(settings: Settings, camera: str | None, alert: str | None, sure: bool) -> int:
    """Forget a camera or an alert, after a question unless `sure`; the exit code. Raises UnmaskError."""
    if (camera is None) == (alert is None):
        raise UsageError("nothing, or two things, to forget", "give either --camera NAME or --alert ID")
    what = f"camera {camera}" if camera is not None else f"alert {alert}"
    if not sure and not typer.confirm(f"Delete everything that is kept of {what}?", default=False, err=True):
        return 1
    with server.opened(settings) as client, server.spaces(settings, client) as spaces:
        shard = spaces.camera(camera) if camera is not None else _holder(spaces, str(alert))
        eraser = Eraser(spaces, shard, settings.streamer.queue_max_age_s)
        watched = eraser.camera(camera) if camera is not None else False
        if alert is not None:
            eraser.alert(alert)
        eraser.tell()
        left = [why for space in {spaces.home, shard} if (why := rewrite(space.bus))]
    console = Console()
    gone = ", ".join(f"{count} {kind}" for kind, count in eraser.gone.items() if count)
    console.print(f"{what} forgotten: {gone or 'nothing was kept'}", markup=False, soft_wrap=True)
    if watched:
        console.print("It is still watched: what it shows from now on is kept, until it leaves the configuration.")
    if left:
        said = f"Redis' append-only file holds it until it is written anew ({left[0]}): run BGREWRITEAOF there."
        console.print(said, markup=False, soft_wrap=True)
    return 0


def rewrite(client: redis.Redis) -> str:
    """Have the append-only file written anew, without what was deleted; why that can't be, "" where it is done or there
    is no such file."""
    try:
        on: Any = client.info("persistence")
        if on.get("aof_enabled"):
            client.bgrewriteaof()
    except redis.ResponseError as error:
        return str(error).rstrip(".")
    return ""


def _holder(spaces: Spaces[redis.Redis], alert: str) -> Space[redis.Redis]:
    """The shard that holds something of an alert, or any."""
    for space in spaces.shards:
        if space.bus.exists(space.keys.alert(alert), space.keys.evidence(alert), space.keys.review(alert)):
            return space
    return spaces.shards[0]


class Eraser:
    """Deletes in a shard and at home, and counts in `gone` what. Every method raises redis.RedisError, and may be
    called again then."""

    def __init__(self, spaces: Spaces[redis.Redis], shard: Space[redis.Redis], queue_max_age_s: float) -> None:
        self.gone: Counter[str] = Counter()
        self._client, self._keys, self._home = shard.bus, shard.keys, spaces.home
        self._gathered = spaces.home.keys.gathered(spaces.shards.index(shard))
        self._mark_ms = round((60 + 2 * queue_max_age_s) * 1000)  # longer than any worker holds a window

    def camera(self, name: str) -> bool:
        """Everything of a camera; whether a streamer watches it at present."""
        client, keys = self._client, self._keys
        seconds, micros = client.time()
        now_ms = seconds * 1000 + micros // 1000
        client.set(keys.forgetting(name), now_ms, px=self._mark_ms)
        self._drop_windows(name, now_ms)
        dead = _holds(DeadLetter, lambda letter: _is_of(Window.read(letter.data), name))
        self._entries("dead windows", keys.dead, dead)
        alerts = self._alerts_of(name)
        self._entries("scores", keys.scores, _holds(Score, lambda score: score.camera == name))
        self._events(lambda event: event.alert.camera == name)
        for id in alerts:
            self._forget_alert(id)
        self._drop_keys(name)
        lease = self._home.keys.lease(name)
        watched = bool(self._home.bus.exists(lease))
        if not watched:
            client.srem(keys.camera_names, name)
            client.delete(keys.camera(name))
            self._home.bus.delete(f"{lease}:wanted")
            self._entries("states", keys.cameras, _holds(CameraState, lambda state: state.name == name))
        return watched

    def alert(self, id: str) -> None:
        """Everything of an alert that has ended. Raises UsageError for another."""
        found = Alert.read(self._client.get(self._keys.alert(id)))
        if found is None and not self._client.exists(self._keys.evidence(id), self._keys.review(id)):
            raise UsageError(f"no alert {id!r} is kept", "look for its id on the page or with 'unmask watch'")
        if found is not None and found.ended is None:
            raise UsageError(f"alert {id!r} is still open", "wait until it has ended, or forget its camera")
        self._events(lambda event: event.alert.id == id)
        if found is not None and found.track:
            track = (found.camera, found.track)
            self._entries("scores", self._keys.scores, _holds(Score, lambda one: (one.camera, one.track) == track))
        self._forget_alert(id)

    def tell(self) -> None:
        """Make the dashboards read again what is left."""
        self._home.bus.incr(self._home.keys.forgotten)

    def _drop_windows(self, name: str, until_ms: int) -> None:
        keys = self._keys
        for page in self._pages(keys.windows, f"{until_ms}-18446744073709551615"):
            ids = [id for id, data in page if _is_of(Window.read(data), name)]
            if ids:
                self.gone["windows"] += int(self._client.eval(_DROP, 2, keys.windows, keys.outcomes, GROUP, *ids))

    def _events(self, wanted: Callable[[AlertEvent], bool]) -> None:
        """Out of the shard's stream first, then out of the home's. In between the place that was brought over is
        touched: a dashboard that read the shard before, and has not written yet, has to read again."""
        holds = _holds(AlertEvent, wanted)
        self._entries("alert events", self._keys.alerts, holds)
        if self._keys != self._home.keys:
            self._home.bus.hincrby(self._gathered, "forgotten", 1)
            for page in self._pages(self._home.keys.alerts, client=self._home.bus):
                if ids := [id for id, data in page if holds(data)]:
                    self._home.bus.xdel(self._home.keys.alerts, *ids)

    def _entries(self, what: str, stream: str, wants: Callable[[bytes], bool]) -> None:
        for page in self._pages(stream):
            if ids := [id for id, data in page if wants(data)]:
                self.gone[what] += int(self._client.xdel(stream, *ids))

    def _pages(
        self, stream: str, last: str = "+", client: redis.Redis | None = None
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        client, after = client or self._client, "-"
        while True:
            rows: Any = client.xrange(stream, min=after, max=last, count=PAGE)
            if not rows:
                return
            after = "(" + rows[-1][0].decode()
            yield [(id, fields.get(FIELD, b"")) for id, fields in rows]

    def _alerts_of(self, name: str) -> set[str]:
        """By the alerts as they stand, and by the stream: either may be kept longer."""
        found: set[str] = set()
        for key in self._scan("alert:*"):
            alert = Alert.read(self._client.get(key))
            if alert is not None and alert.camera == name:
                found.add(alert.id)
        for page in self._pages(self._keys.alerts):
            events = (AlertEvent.read(data) for _, data in page)
            found.update(event.alert.id for event in events if event is not None and event.alert.camera == name)
        return found

    def _forget_alert(self, id: str) -> None:
        keys = self._keys
        self.gone["alerts"] += int(self._client.delete(keys.alert(id)))
        self.gone["reviews"] += int(self._client.delete(keys.review(id)))
        places = (keys.evidence(id), keys.evidence_index, keys.evidence_bytes)
        self.gone["evidence"] += int(self._client.eval(_EVIDENCE, 3, *places, id))

    def _drop_keys(self, name: str) -> None:
        client, keys = self._client, self._keys
        members: Any = client.zrange(keys.due_tracks, 0, -1)
        if due := [member for member in members if member.partition(b"\0")[0] == name.encode()]:
            client.zrem(keys.due_tracks, *due)
        client.hdel(keys.camera_troubles, name)
        self._home.bus.hdel(self._home.keys.crashes, name)
        kinds = ("track", "held", "feature")
        found = [key for kind in kinds for key in self._scan(f"{kind}:{literal(name)}:*")]
        for at in range(0, len(found), 500):
            client.delete(*found[at : at + 500])
        self.gone["references"] += int(client.delete(keys.reference(name)))
        client.delete(keys.preview(name), keys.camera_opened(name), keys.snooze(name))

    def _scan(self, pattern: str) -> list[bytes]:
        return list(self._client.scan_iter(match=literal(self._keys.prefix) + pattern, count=1000))


def _holds(kind: type[M], wanted: Callable[[M], bool]) -> Callable[[bytes], bool]:
    """Whether an entry is a message of this kind that is wanted."""

    def holds(data: bytes) -> bool:
        message = kind.read(data)
        return message is not None and wanted(message)

    return holds


def _is_of(window: Window | None, camera: str) -> bool:
    return window is not None and window.camera == camera
