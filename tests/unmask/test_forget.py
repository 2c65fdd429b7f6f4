"""Afterwards nothing in Redis holds the camera's name, and a worker in the middle does not bring it back."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from tests.dashboard.feed import Feed, alert_event
from tests.support.servers import valkey, wait_until
from tests.worker.making import score, settings, tiny_checkpoint, window
from tests.worker.test_commit import Bench, works
from unmask import forget
from wire.errors import UsageError
from wire.keys import FIELD, Keys
from wire.messages import DeadLetter, Review
from wire.settings import Settings
from wire.shards import shard_of
from worker.service import Worker


@pytest.fixture
def plain(redis_url: str) -> Settings:
    return Settings(redis={"url": redis_url})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors")


def holding(bus: redis.Redis, word: bytes) -> list[bytes]:
    """Every key that holds the word, in its name or in what it keeps."""
    read: dict[bytes, Any] = {
        b"string": bus.get, b"hash": bus.hgetall, b"set": bus.smembers, b"stream": bus.xrange,
        b"zset": lambda key: bus.zrange(key, 0, -1),
    }  # fmt: skip
    return sorted(key for key in bus.scan_iter() if word in key or word.decode() in repr(read[bus.type(key)](key)))


def test_everything_of_a_camera_goes_and_nothing_of_another(
    plain: Settings, bus: redis.Redis, keys: Keys, tiny: Path, redis_url: str
) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        worker = Worker(settings(tiny, redis_url, {"name": "w"}, alerts={"end_after_s": 60}))
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for seq in range(10):
            for camera in ("cellar", "attic"):
                made = window(seq, camera=camera, captured=time.time() - 10 + seq)
                bus.xadd(keys.windows, {FIELD: made.encode()})
        wait_until(lambda: bus.xlen(keys.scores) == 20 and bus.zcard(keys.evidence_index) == 2, 60, "two alerts")
    finally:
        worker.stop()
        thread.join(10)
    bus.xadd(keys.windows, {FIELD: window(11, camera="cellar").encode()})
    letter = DeadLetter(error="x", deliveries=3, at=0.0, data=window(12, camera="cellar").encode())
    bus.xadd(keys.dead, {FIELD: letter.encode()})
    for camera in ("cellar", "attic"):
        bus.sadd(keys.camera_names, camera)
        bus.hset(keys.camera_troubles, camera, f"{camera} ails")
        bus.hset(keys.crashes, camera, "1")
        for key in (keys.preview(camera), keys.reference(camera), keys.snooze(camera), keys.camera(camera)):
            bus.set(key, f"of {camera}")
    attic = holding(bus, b"attic")
    assert len(holding(bus, b"cellar")) > 15
    assert forget.run(plain, "cellar", None, sure=True) == 0
    assert holding(bus, b"cellar") == []
    assert holding(bus, b"attic") == attic
    assert bus.zcard(keys.evidence_index) == 1
    sizes = bus.hgetall(keys.evidence_bytes)
    assert len(sizes) == 2
    assert sizes.pop(b"") == next(iter(sizes.values()))
    outcomes = {name.decode(): int(count) for name, count in bus.hgetall(keys.outcomes).items()}
    assert outcomes == {"scored": 20, "trimmed": 1}


@pytest.mark.parametrize("when", ["before", "between"])
def test_a_worker_in_the_middle_does_not_bring_it_back(
    plain: Settings, bus: redis.Redis, keys: Keys, when: str
) -> None:
    bench = Bench(bus, keys)
    for seq in range(4):
        bench.put(seq, camera="cellar")
        bench.put(seq, camera="attic")
    batch = works(bench.entries(), 0.99)
    fresh = {("cellar", "1-0", 1): np.ones(2, np.float16), ("attic", "1-0", 1): np.ones(2, np.float16)}
    if when == "before":
        forget.run(plain, "cellar", None, sure=True)
    else:  # after the commit has read and before its EXEC
        bench.cache.meddle = lambda: forget.run(plain, "cellar", None, sure=True) and None
    made = bench.ledger.settle(batch, fresh)
    assert [one.camera for one in made.scores] == ["attic"] * 4
    assert holding(bus, b"cellar") == []
    assert bus.exists(keys.feature("attic", "1-0", 1, "tiny"))
    assert bus.hgetall(keys.outcomes) == {b"scored": b"4", b"trimmed": b"4"}
    bench.put(9, camera="cellar")  # what comes later counts
    assert len(bench.ledger.settle(works(bench.entries(), 0.1)).scores) == 1


def test_one_alert(plain: Settings, bus: redis.Redis, keys: Keys) -> None:
    for id in ("canary1", "keeper"):
        for name in ("new", "end"):
            event = alert_event(id, name, track=f"{id}-track")
            bus.xadd(keys.alerts, {FIELD: event.encode()})
            bus.set(keys.alert(id), event.alert.encode())
        Feed(bus, keys).evidence(id, [b"\xff\xd8"])
        bus.set(keys.review(id), Review(alert=id, verdict="confirmed", at=0.0).encode())
        bus.xadd(keys.scores, {FIELD: score(0, 0.9, track=f"{id}-track").encode()})
    others = holding(bus, b"keeper")
    assert forget.run(plain, None, "canary1", sure=True) == 0
    assert holding(bus, b"canary1") == []
    assert holding(bus, b"keeper") == others
    with pytest.raises(UsageError, match="no alert 'canary1' is kept"):
        forget.run(plain, None, "canary1", sure=True)
    bus.set(keys.alert("open"), alert_event("open").alert.encode())
    with pytest.raises(UsageError, match="still open"):
        forget.run(plain, None, "open", sure=True)


def test_a_name_is_no_pattern(plain: Settings, bus: redis.Redis, keys: Keys) -> None:
    kept = [keys.track("attic", "1-0"), keys.held("attic", "1-0"), keys.feature("attic", "1-0", 1, "model")]
    for key in kept:
        bus.set(key, b"x")
    for name in ("*", "atti?", "att[hi]c"):
        assert forget.run(plain, name, None, sure=True) == 0
    assert bus.exists(*kept) == 3
    assert forget.run(plain, "attic", None, sure=True) == 0
    assert bus.exists(*kept) == 0


def test_it_asks_first(plain: Settings, bus: redis.Redis, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    bus.sadd(keys.camera_names, "cellar")
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    assert forget.run(plain, "cellar", None, sure=False) == 1
    assert holding(bus, b"cellar")
    with pytest.raises(UsageError, match="either --camera NAME or --alert ID"):
        forget.run(plain, None, None, sure=True)


def test_the_file_on_disk_forgets_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def names_it(file: Path) -> bool:
        try:
            return b"cellar" in file.read_bytes()
        except FileNotFoundError:  # the server takes away what it has rewritten
            return False

    def kept() -> bool:
        return any(names_it(file) for file in (tmp_path / "appendonlydir").iterdir())

    with valkey(tmp_path, aof=True) as (url, _), redis.Redis.from_url(url) as bus:
        bus.set(Keys().reference("cellar"), "of cellar")
        wait_until(kept, 60, "it is on disk")
        assert forget.run(Settings(redis={"url": url}), "cellar", None, sure=True) == 0  # type: ignore[arg-type]
        wait_until(lambda: not kept(), 60, "it is not on disk")
        assert "BGREWRITEAOF" not in capsys.readouterr().out
        bus.execute_command("ACL", "SETUSER", "default", "-bgrewriteaof")
        assert "no permissions" in forget.rewrite(bus)


def test_in_its_shard_and_at_home(redis_url: str, bus: redis.Redis) -> None:
    """What the home has of a camera goes, too; another camera's stays, in its own shard and in the same."""
    wide = Settings(redis={"url": redis_url, "prefix": "{u}:", "shards": 2})  # type: ignore[arg-type]
    home, shards = Keys("{u}:"), wide.redis.spaces(redis_url)
    for camera in ("cellar", "attic", "yard"):
        keys = shards[shard_of(camera, 2)].keys
        event = alert_event(f"{camera}1", "end", camera)
        for stream in (keys.alerts, home.alerts):
            bus.xadd(stream, {FIELD: event.encode()})
        bus.set(keys.alert(f"{camera}1"), event.alert.encode())
        bus.set(keys.reference(camera), f"of {camera}")
        bus.sadd(keys.camera_names, camera)
        bus.hset(home.crashes, camera, "1")
    assert len({shard_of(camera, 2) for camera in ("cellar", "attic", "yard")}) == 2
    others = holding(bus, b"attic") + holding(bus, b"yard")
    assert forget.run(wide, "cellar", None, sure=True) == 0
    assert holding(bus, b"cellar") == []
    assert holding(bus, b"attic") + holding(bus, b"yard") == others
    assert forget.run(wide, None, "attic1", sure=True) == 0
    assert holding(bus, b"attic1") == []
    assert bus.get(home.forgotten) == b"2"
