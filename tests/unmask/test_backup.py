"""Back up, lose everything, restore: cursors, reviews and evidence are what they were."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard import streams
from dashboard.cursors import parse
from tests.dashboard.feed import Feed, alert_event
from tests.support.servers import end, valkey, wait_until
from unmask import backup, server
from unmask.embedded import EmbeddedServer
from wire.errors import RedisUnreachable, ServiceError, UnmaskError, UsageError
from wire.heartbeat import Heartbeat
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent, Review
from wire.settings import Settings


@pytest.fixture
def settings(redis_url: str) -> Settings:
    return Settings(redis={"url": redis_url})  # type: ignore[arg-type]


@pytest.fixture
def cursors(bus: redis.Redis, keys: Keys) -> list[bytes]:
    """Ids of alert events, one of them taken away since, and all else that belongs to alerts."""
    ids: list[bytes] = []
    for number in range(6):
        event = alert_event(f"a{number}", "new")
        ids.append(bus.xadd(keys.alerts, {FIELD: event.encode()}))
        bus.set(keys.alert(f"a{number}"), event.alert.encode(), ex=1000)
    bus.xdel(keys.alerts, ids.pop(0))
    bus.set(keys.review("a1"), Review(alert="a1", verdict="confirmed", at=time.time()).encode(), px=500_000)
    Feed(bus, keys).evidence("a1", [b"\xff\xd8 one", b"\xff\xd8 two"])
    bus.set(keys.notified("webhook.x"), ids[2])
    bus.set(keys.reference("door"), b"as it was")
    bus.set(keys.preview("door"), b"no part of it")
    return ids


def contents(bus: redis.Redis) -> dict[bytes, Any]:
    """Every key: its value, and when it expires."""
    return {key: (bus.dump(key), bus.pexpiretime(key)) for key in bus.scan_iter()}  # type: ignore[no-untyped-call]


def test_back_up_wipe_restore(
    settings: Settings, bus: redis.Redis, keys: Keys, cursors: list[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "unmask.backup"
    before = contents(bus)
    assert backup.backup(file, settings) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["unmask.backup"]
    bus.flushall()
    assert backup.restore(file, settings, replace=False) == 0
    del before[keys.preview("door").encode()]
    assert contents(bus) == before
    rows: Any = bus.xrange(keys.alerts, min=b"(" + cursors[1])
    assert [id for id, _ in rows] == cursors[2:]
    assert AlertEvent.decode(rows[0][1][FIELD]).alert.id == "a3"


def test_a_subscriber_goes_on_where_it_was(
    settings: Settings, bus: redis.Redis, keys: Keys, cursors: list[bytes], tmp_path: Path
) -> None:
    backup.backup(tmp_path / "b", settings)
    bus.flushall()
    backup.restore(tmp_path / "b", settings, replace=False)
    bus.xadd(keys.alerts, {FIELD: alert_event("later").encode()})

    async def read() -> streams.Page:
        async with redis.asyncio.Redis.from_url(str(settings.redis.url)) as client:
            return await streams.read_page(client, keys.alerts, parse(cursors[3]))

    page = asyncio.run(read())
    assert (page.gap, [entry.event.alert.id for entry in page.entries]) == (None, ["a5", "later"])


def test_what_would_harm_is_refused(
    settings: Settings, bus: redis.Redis, keys: Keys, cursors: list[bytes], tmp_path: Path
) -> None:
    file = tmp_path / "b"
    backup.backup(file, settings)
    before = contents(bus)
    with pytest.raises(UsageError, match="--replace"):
        backup.restore(file, settings, replace=False)
    heart = Heartbeat(bus, keys, "worker", "w")
    heart.beat()
    with pytest.raises(UsageError, match="worker still runs"):
        backup.restore(file, settings, replace=True)
    heart.stop()
    whole = file.read_bytes()
    for bad in (b"", whole[:-1], whole[:100] + b"x" + whole[101:], b"no backup"):
        (tmp_path / "bad").write_bytes(bad)
        with pytest.raises(UnmaskError, match="no backup, or not a whole one"):
            backup.restore(tmp_path / "bad", settings, replace=True)
    backup._write(tmp_path / "newer", [(b"alert:x", 0, b"\xff" * 20)])
    with pytest.raises(UnmaskError, match="can't take the backup"):
        backup.restore(tmp_path / "newer", settings, replace=True)
    assert contents(bus) == before
    bus.delete(keys.alert("a2"))
    assert backup.restore(file, settings, replace=True) == 0
    assert contents(bus).keys() == before.keys()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (lambda text: {"alert:a": text}, "is no backup"),  # its sum is right all the same
        (lambda text: [[b"alert:a", "soon", text]], "is no backup"),
        (lambda text: [[b"alert:a", 0, text], [b"alert:a", 0, text]], "names a key twice"),
        (lambda text: [[b"alert:a", 0, text], [b"users", 0, text]], r"of this version \(key users\)"),
        (lambda text: [[b"alert:a", 0, text], [b"1/alert:a", 0, text]], r"of this version \(key 1/alert:a\)"),
        (lambda text: [[b"alert:a", 0, text], [b"evidence-index", 0, text]], "evidence-index is a string, not a zset"),
        (lambda text: [[b"alert:a", 0, text], [b"alert:b", 2**63 - 1, text]], "can't take the backup"),
    ],
)
def test_a_crafted_file_is_one_line_and_changes_nothing(
    settings: Settings, bus: redis.Redis, cursors: list[bytes], tmp_path: Path, rows: Callable[[bytes], Any], says: str
) -> None:
    backup._write(tmp_path / "b", rows(dumped(bus)))
    before = contents(bus)
    with pytest.raises(UnmaskError, match=says) as raised:
        backup.restore(tmp_path / "b", settings, replace=True)
    assert "\n" not in str(raised.value)
    assert contents(bus) == before


def test_a_first_line_of_no_backup_is_one_line(settings: Settings, tmp_path: Path) -> None:
    body = b"unmask backup 2, " + b"9" * 5000 + b" shards\n"
    (tmp_path / "b").write_bytes(body + hashlib.sha256(body).digest())
    with pytest.raises(UnmaskError, match="no backup, or not a whole one"):
        backup.restore(tmp_path / "b", settings, replace=True)


def test_what_expires_while_it_is_put_back_costs_nothing_else(
    settings: Settings, bus: redis.Redis, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, text = time.time(), dumped(bus)
    over, later = round((now - 5) * 1000), round((now + 500) * 1000)
    backup._write(tmp_path / "b", [(b"alert:a", over, text), (b"alert:b", later, text)])
    monkeypatch.setattr(backup.time, "time", lambda: now - 10)  # when it looked at what has expired
    assert backup.restore(tmp_path / "b", settings, replace=False) == 0
    assert contents(bus) == {keys.alert("b").encode(): (text, later)}


def dumped(bus: redis.Redis) -> bytes:
    """A string as the server writes it."""
    bus.set("aside", b"as it was")
    text: Any = bus.dump("aside")
    bus.delete("aside")
    return bytes(text)


def test_the_files_of_an_embedded_server_that_does_not_run(tmp_path: Path) -> None:
    settings, keys = Settings(state=tmp_path / "state"), Keys()
    with EmbeddedServer(settings.state) as server:
        process = subprocess.Popen(server.command())
        try:
            client = redis.Redis.from_url(server.url)
            wait_until(lambda: _set(client, keys.alert("a")), 10, "it takes an alert")
        finally:
            end(process)
    backup.backup(tmp_path / "b", settings)
    other = Settings(state=tmp_path / "other")
    assert backup.restore(tmp_path / "b", other, replace=False) == 0
    backup.backup(tmp_path / "again", other)
    assert [row[0] for row in backup._load(tmp_path / "again")] == [b"alert:a"]


def test_a_redis_that_refuses_or_goes_away_is_one_line(tmp_path: Path) -> None:
    with valkey(tmp_path) as (url, process):

        def work(meanwhile: Callable[[], None] = lambda: None) -> None:
            with server.opened(Settings(redis={"url": url})) as client:  # type: ignore[arg-type]
                client.set_retry(Retry(NoBackoff(), 0))
                client.set("x", "text")
                meanwhile()
                client.hgetall("x")

        with pytest.raises(UnmaskError, match=r"refuses \(WRONGTYPE .*doctor"):
            work()
        with pytest.raises(RedisUnreachable):
            work(lambda: end(process))


def _set(client: redis.Redis, key: str) -> bool:
    try:
        return bool(client.set(key, b"as it was"))
    except redis.RedisError:
        return False


def test_over_shards(redis_url: str, bus: redis.Redis, tmp_path: Path) -> None:
    """The home and each shard come back as they were; another number of shards is refused."""
    wide = Settings(redis={"url": redis_url, "prefix": "{u}:", "shards": 3})  # type: ignore[arg-type]
    home, file = Keys("{u}:"), tmp_path / "b"
    for number, shard in enumerate(wide.redis.spaces(redis_url)):
        id: Any = bus.xadd(shard.keys.alerts, {FIELD: alert_event(f"a{number}").encode()})
        bus.set(shard.keys.alert(f"a{number}"), alert_event(f"a{number}").alert.encode(), ex=1000)
        Feed(bus, shard.keys).evidence(f"a{number}", [b"\xff\xd8 one"])
        bus.hset(home.gathered(number), "place", id)
    bus.set(home.notified("webhook.x"), "1-0")
    before = contents(bus)
    assert backup.backup(file, wide) == 0
    bus.flushall()
    with pytest.raises(UsageError, match=r"is of redis.shards 3, not 1: restore it with the same number"):
        backup.restore(file, Settings(redis={"url": redis_url}), replace=False)  # type: ignore[arg-type]
    assert backup.restore(file, wide, replace=False) == 0
    assert contents(bus) == before
    with pytest.raises(UsageError, match="--replace"):
        backup.restore(file, wide, replace=False)
    bus.set(home.shards, 2)
    with pytest.raises(ServiceError, match="this Redis holds 2 shards"):
        backup.backup(file, wide)
