"""`unmask enrol` on a real server: what it collects, what it refuses, and that a worker goes by what it stored."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from msgspec import UNSET
from msgspec.structs import replace

from tests.support.servers import wait_until
from tests.unmask.test_cli import assert_one_line, refused
from tests.worker.making import GOOD, settings, tiny_checkpoint, window
from unmask import embedded, enrol
from unmask.embedded import EmbeddedServer
from unmask.enrol import Station, collect, concluded, describe
from wire.errors import CheckpointError, UnmaskError, UsageError
from wire.heartbeat import Heartbeat
from wire.keys import FIELD, Keys
from wire.messages import CameraState, Reference, Score, Verdict
from wire.settings import Settings
from worker import checkpoint
from worker.checkpoint import Meta, Threshold, Thresholds, Typical
from worker.model import Detector
from worker.reference import Enrolment, shift
from worker.service import Worker

REAL = Typical(median=-2.0, spread=2.0)
NOW = 1000.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Meta]:
    """A tiny checkpoint that knows what real windows give it."""
    path = tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors")
    loaded = checkpoint.load(path)
    assert isinstance(loaded.model, Detector)
    marks = Thresholds(Threshold(0.7, 0.05), Threshold(0.9, 0.01))
    return path, checkpoint.save(path, loaded.model, replace(loaded.meta, thresholds=marks, real=REAL))


@pytest.fixture
def site(model: tuple[Path, Meta], redis_url: str) -> Settings:
    return settings(model[0], redis_url)


@pytest.fixture
def station(site: Settings) -> Station:
    return Station(site, "door")


def live(bus: redis.Redis, keys: Keys, **changed: Any) -> None:
    now = changed.pop("now", time.time())
    state = CameraState(name="door", state="live", source="x", since=now - 9, updated=now, last_frame=now, faces=1)
    bus.sadd(keys.camera_names, "door")
    bus.set(keys.camera("door"), replace(state, **changed).encode())


def score(meta: Meta, seq: int, logit: float, track: str = "1-0", verdict: Verdict = "clean", **changed: Any) -> Score:
    made = Score(
        window=f"door/{track}/{seq}", camera="door", track=track, epoch=1, seq=seq, logit=logit, p_fake=0.1,
        verdict=verdict, quality=GOOD, model=meta.model_id, box=(0, 0, 1, 1), frame_size=(640, 480),
        started=NOW + seq, captured=NOW + seq + 3, enqueued=NOW, dequeued=NOW, scored=NOW,
    )  # fmt: skip
    return replace(made, **changed)


def collected(station: Station, meta: Meta, scores: list[Score]) -> Enrolment:
    """What is collected of scores that come while it is being collected, and of one that came before."""
    bus, keys = station.client, station.keys
    bus.xadd(keys.scores, {FIELD: score(meta, 99, 77.0).encode()})
    enrolment, now = Enrolment("door", meta.model_id, NOW), [0.0]

    def tell(passed: float) -> None:
        if passed == 0:
            for one in scores:
                bus.xadd(keys.scores, {FIELD: one.encode()})
            bus.xadd(keys.scores, {FIELD: b"junk"})
        now[0] += 1.0

    collect(station, enrolment, 2.0, lambda: now[0], tell)
    return enrolment


def conclusion(station: Station, meta: Meta, scores: list[Score], force: bool = False) -> Reference:
    return concluded(station, collected(station, meta, scores), meta, REAL, 5.0, force, NOW + 300)


def test_what_came_in_that_time_is_the_reference(station: Station, model: tuple[Path, Meta]) -> None:
    meta = model[1]
    scores = [score(meta, i, -1.0) for i in range(4)] + [score(meta, i, 0.0, track="1-1") for i in range(2)]
    made = conclusion(station, meta, [*scores, score(meta, 9, 5.0, verdict="unsure", reason="blurred")])
    assert (made.median, made.windows, made.tracks, made.minutes) == (-0.5, 6, 2, 5.0)
    assert (made.camera, made.model, made.expected, made.expected_spread) == ("door", meta.model_id, -2.0, 2.0)


def test_what_looks_like_a_fake_wants_force(station: Station, model: tuple[Path, Meta]) -> None:
    scores = [score(model[1], i, 3.0) for i in range(4)]
    with pytest.raises(UnmaskError, match=r"scores like a fake \(median p 0.95, suspect from 0.70\).*--force"):
        conclusion(station, model[1], scores)
    assert conclusion(station, model[1], scores, force=True).median == 3.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"verdict": "unsure", "reason": "blurred (sharpness 3, needs 15)"},
            r"none of 1 windows was sure \(1: blurred\)",
        ),
        ({"model": "old-1"}, "model old-1, not of this configuration"),
    ],
)
def test_why_scores_were_of_no_use(
    changed: dict[str, Any], said: str, station: Station, model: tuple[Path, Meta]
) -> None:
    with pytest.raises(UnmaskError, match=said):
        conclusion(station, model[1], [score(model[1], 0, 0.0, **changed)])


def test_why_no_score_came(bus: redis.Redis, keys: Keys, station: Station, model: tuple[Path, Meta]) -> None:
    def why() -> str:
        with pytest.raises(UnmaskError) as caught:
            conclusion(station, model[1], [])
        return str(caught.value)

    now = NOW + 300
    live(bus, keys, now=now)
    assert "no worker is running" in why()
    Heartbeat(bus, keys, "worker", "w0").beat()
    assert "no window of a face was complete" in why()
    live(bus, keys, now=now, faces=0)
    assert "no face was in view" in why()
    live(bus, keys, now=now - 60)
    assert "stale" in why()
    live(bus, keys, now=now, state="timeout")
    assert "the camera is timeout" in why()


def printed(made: Reference, meta: Meta, capsys: pytest.CaptureFixture[str]) -> str:
    from rich.console import Console

    describe(made, meta, Console(soft_wrap=True, highlight=False))
    return capsys.readouterr().out


def test_it_says_what_it_changes(
    station: Station, model: tuple[Path, Meta], capsys: pytest.CaptureFixture[str]
) -> None:
    meta = model[1]
    made = conclusion(station, meta, [score(meta, i, -1.0) for i in range(3)])
    moved = -shift(made, meta.model_id, 1.0)
    assert 0 < moved < 1
    told = printed(made, meta, capsys)
    for said in ("1.00 higher", f"lowered by {moved:.2f}", "3 windows of 1 track", "as much as of the camera"):
        assert said in told
    assert "not in force" in printed(replace(made, model="old-1"), meta, capsys)
    assert "raised by" in printed(replace(made, median=-3.0, tracks=2), meta, capsys)


def test_the_whole_command_and_a_worker_that_goes_by_it(
    bus: redis.Redis, keys: Keys, site: Settings, model: tuple[Path, Meta], capsys: pytest.CaptureFixture[str]
) -> None:
    meta = model[1]
    live(bus, keys)
    stop = threading.Event()

    def filmed() -> None:
        for seq in range(10_000):
            if stop.wait(0.05):
                return
            bus.xadd(keys.scores, {FIELD: score(meta, seq, -1.0, started=time.time()).encode()})

    thread = threading.Thread(target=filmed)
    thread.start()
    try:
        assert enrol.run(site, "door", 0.02, force=False) == 0
    finally:
        stop.set()
        thread.join()
    assert "scores are lowered by" in capsys.readouterr().out
    raw: Any = bus.get(keys.reference("door"))
    made = replace(Reference.decode(raw), minutes=1.0)  # a second's worth is next to nothing
    bus.set(keys.reference("door"), made.encode())
    bus.delete(keys.scores)
    for camera in ("door", "hall"):
        bus.xadd(keys.windows, {FIELD: window(camera=camera).encode()})
    door, hall = sorted(scored(bus, keys, site, 2), key=lambda one: one.camera)
    assert door.shift == shift(made, meta.model_id, 1.0) < 0
    assert door.logit == pytest.approx(hall.logit, abs=1e-3)
    assert door.p_fake < hall.p_fake
    assert hall.shift is UNSET


def scored(bus: redis.Redis, keys: Keys, site: Settings, count: int) -> list[Score]:
    """The scores a worker makes of what is in the queue."""
    worker = Worker(site)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: bus.xlen(keys.scores) >= count, 60, f"{count} scores")
    finally:
        worker.stop()
        thread.join(10)
    rows: Any = bus.xrange(keys.scores)
    return [Score.decode(fields[FIELD]) for _, fields in rows]


def test_interrupted_it_stores_nothing(
    bus: redis.Redis, keys: Keys, site: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live(bus, keys)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(enrol, "found", interrupted)  # called between two reads, where Ctrl-C lands
    assert enrol.run(site, "door", 1.0, force=False) == 130
    assert "nothing was stored" in capsys.readouterr().err
    assert bus.get(keys.reference("door")) is None


def test_show_and_remove(
    bus: redis.Redis, keys: Keys, site: Settings, model: tuple[Path, Meta], capsys: pytest.CaptureFixture[str]
) -> None:
    assert enrol.show(site, "door") == enrol.remove(site, "door") == 1
    enrolment = Enrolment("door", model[1].model_id, NOW)
    enrolment.add(score(model[1], 0, 1.0))
    made = enrolment.gathered.reference("door", model[1].model_id, NOW, 1.0, REAL)
    bus.set(keys.reference("door"), made.encode())
    capsys.readouterr()
    assert enrol.show(site, "door") == 0
    assert "1 windows of 1 track" in capsys.readouterr().out
    bus.set(keys.reference("door"), b"junk")
    with pytest.raises(UnmaskError, match="enrol the camera again"):
        enrol.show(site, "door")
    assert enrol.remove(site, "door") == 0
    assert bus.get(keys.reference("door")) is None


def test_a_checkpoint_that_does_not_say_what_real_windows_give(
    bus: redis.Redis, keys: Keys, model: tuple[Path, Meta], redis_url: str, tmp_path: Path
) -> None:
    live(bus, keys)
    loaded, path = checkpoint.load(model[0]), tmp_path / "m.safetensors"
    checkpoint.save(path, loaded.model, replace(loaded.meta, real=None))
    with pytest.raises(CheckpointError, match=r"nothing to compare with: .*worker\.training real"):
        enrol.run(settings(path, redis_url), "door", 1.0, force=False)


def test_it_finds_the_embedded_server_of_the_state_folder(tmp_path: Path) -> None:
    assert embedded.address(tmp_path) is None
    with EmbeddedServer(tmp_path) as server:
        assert embedded.address(tmp_path) == server.url
    assert embedded.address(tmp_path) is None
    with pytest.raises(UsageError, match="no unmask is running"):
        Station(Settings(state=tmp_path), "door")


def test_what_is_wrong_is_one_line(bus: redis.Redis, keys: Keys, redis_url: str, tmp_path: Path) -> None:
    def said(code: int, *words: str, arguments: tuple[str, ...] = (), url: str = redis_url) -> None:
        env = {"REDIS_URL": url, "UNMASK_STATE": str(tmp_path)}
        assert_one_line(refused("enrol", "--camera", "door", *arguments, cwd=tmp_path, env=env), code, *words)

    said(2, "no unmask is running", "unmask run", url="")
    said(2, "no camera is called 'door'", "start a streamer")
    bus.sadd(keys.camera_names, "hall")
    said(2, "no camera is called 'door'", "choose one of hall")
    live(bus, keys, state="timeout")
    said(1, "'door' is not live (timeout)")
    said(2, "--show and --remove", arguments=("--show", "--remove"))
