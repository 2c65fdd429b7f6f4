"""A detector of the operator's own in its process: what it may do wrong costs the worker no window."""

from __future__ import annotations

import contextlib
import io
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
import structlog
from msgspec.structs import replace

from tests.support.plugins import install
from tests.support.servers import wait_until
from tests.worker.making import settings, window
from wire.errors import ConfigError
from wire.guest import GuestError
from wire.keys import FIELD, Keys
from wire.messages import Frame, Score, ServiceState
from wire.settings import DetectorSettings
from worker.guest import Asked, read
from worker.scorer import Scorer
from worker.second import Second
from worker.service import Worker

HOSTILE = """
import os, re, time
from pathlib import Path

class Plugin:
    def __init__(self, mode, secret=""):
        self._mode, self._secret = Path(mode), secret

    def warm_up(self):
        print("this is not for the worker")
        if self._mode.read_text() == "cold":
            raise RuntimeError("no weights")

    def score(self, windows):
        assert all(one.crops.shape == (4, 48, 48, 3) and one.times[0] == 0.0 for one in windows)
        mode = self._mode.read_text()
        if mode == "raise" or (mode == "first" and any(one.times[-1] > 0.35 for one in windows)):
            raise ValueError(f"no idea, {os.environ.get('UNMASK_SECRET')} {self._secret}")
        if mode in ("hang", "interpreter", "die"):
            self._mode.write_text("cold")  # it stays down until the test says otherwise
        if mode == "hang":
            time.sleep(60)
        if mode == "interpreter":
            re.match(r"(a+)+$", "a" * 60 + "b")
        if mode == "die":
            os._exit(3)
        if mode == "short":
            return []
        return [{"nan": float("nan"), "huge": 1e300, "unsure": None}.get(mode, 2.0)] * len(windows)
"""


@pytest.fixture
def mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hostile detector is installed; what it does stands in this file."""
    install(tmp_path / "site", "detector", "hostile", HOSTILE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("UNMASK_SECRET", "hunter2")
    path = tmp_path / "mode"
    path.write_text("fine")
    return path


@pytest.fixture
def second(mode: Path, tiny: Path) -> Iterator[Second]:
    asked = DetectorSettings(plugin="hostile", timeout_s=2, options={"mode": str(mode)})
    made = Second(asked, Scorer(settings(tiny)), structlog.get_logger(), waits_s=(0.1,))
    yield made
    made.close()


def outcomes(second: Second, count: int = 3) -> list[str]:
    return [one.outcome for one in second.ask([window(seq) for seq in range(count)]).result(30)]


def up(second: Second) -> None:
    wait_until(lambda: "not running" not in second.caveat, 60, "it runs")


def test_whatever_it_does_every_window_has_an_outcome(second: Second, mode: Path) -> None:
    assert outcomes(second) == ["down"] * 3, "it was not started yet"
    mode.write_text("cold")
    second.warm_up()
    why = "detector hostile 1.2 is not running (RuntimeError: no weights): scores are ours alone; "
    assert second.caveat.startswith(why)
    mode.write_text("fine")
    up(second)
    assert second.caveat.startswith("nobody measured the false alarms of its thresholds with hostile 1.2; a baseline, ")
    for word, outcome in [("fine", "scored"), ("unsure", "unsure"), ("raise", "failed"), ("short", "failed"),
                          ("nan", "failed"), ("huge", "failed")]:  # fmt: skip
        mode.write_text(word)
        assert outcomes(second) == [outcome] * 3
    mode.write_text("raise")
    assert second.ask([window()]).result(10)[0].error == "ValueError: no idea, None", "our environment is not for it"
    for word, outcome in [("hang", "late"), ("interpreter", "late"), ("die", "failed")]:
        mode.write_text(word)
        assert outcomes(second) == [outcome] * 3
        assert "hostile 1.2 is not running" in second.caveat
        assert outcomes(second) == ["down"] * 3
        mode.write_text("fine")
        up(second)
        assert outcomes(second) == ["scored"] * 3


def test_one_window_that_it_fails_on_costs_no_other_its_score(second: Second, mode: Path) -> None:
    second.warm_up()
    mode.write_text("first")
    first, *others = window(1).frames
    long = replace(window(1), frames=(replace(first, captured=first.captured - 1), *others))
    broken = replace(window(2), frames=(Frame(9, first.captured, first.box, b"no jpeg"), *others))
    answers = second.ask([window(0), long, broken]).result(10)
    assert [one.outcome for one in answers] == ["scored", "failed", "failed"]


def test_an_answer_is_a_score_or_none() -> None:
    def reply(*answers: object) -> bytes:
        return msgspec.msgpack.encode(answers)

    assert [one.outcome for one in read(reply(["scored", -2.0], ["unsure"]), 2)] == ["scored", "unsure"]
    assert read(reply(["failed", None, "a\nb"]), 1)[0].error == "a b"
    for logit in (None, math.nan, math.inf, -1e308):
        with pytest.raises(GuestError, match="no answer"):
            read(reply(["scored", logit]), 1)
    for wrong in (reply(["late", 2.0]), reply(["fine"]), b"\xff", b"\x91" * 5000):
        with pytest.raises(GuestError, match="no answer"):
            read(wrong, 1)
    with pytest.raises(GuestError, match="2 times about 3 windows"):
        read(reply(["unsure"], ["unsure"]), 3)


def test_a_detector_is_told_no_more_than_it_needs() -> None:
    asked = Asked.of(window(3, camera="vault", captured=1000.0))
    assert set(Asked.__struct_fields__) == {"jpegs", "times", "margin"}
    assert asked.times == pytest.approx((0.0, 0.1, 0.2, 0.3))


@pytest.fixture
def start(tiny: Path, redis_url: str) -> Iterator[Callable[..., Worker]]:
    """Starts a worker with a detector; it is stopped at the end."""
    running: list[tuple[Worker, threading.Thread]] = []

    def begin(**detector: Any) -> Worker:
        with contextlib.redirect_stderr(io.StringIO()):
            made = Worker(settings(tiny, redis_url, {"name": "w", "detector": detector}))
        thread = threading.Thread(target=made.run, daemon=True)
        thread.start()
        running.append((made, thread))
        return made

    yield begin
    for made, thread in running:
        made.stop()
        thread.join(30)
        assert not thread.is_alive(), "a worker does not stop"


def counts(bus: redis.Redis, key: str) -> dict[str, int]:
    found: Any = bus.hgetall(key)
    return {name.decode(): int(count) for name, count in found.items()}


def scores(bus: redis.Redis, keys: Keys) -> list[Score]:
    rows: Any = bus.xrange(keys.scores)
    return [Score.decode(fields[FIELD]) for _, fields in rows]


def test_a_worker_loses_no_window_to_a_detector_that_hangs_and_dies(
    bus: redis.Redis, keys: Keys, mode: Path, start: Callable[..., Worker]
) -> None:
    def put(first: int, word: str) -> None:
        """Eight windows while it does that; each decided before the next."""
        mode.write_text(word)
        for seq in range(first, first + 8):
            bus.xadd(keys.windows, {FIELD: window(seq).encode()})
        wait_until(lambda: counts(bus, keys.outcomes).get("scored") == first + 8, 60, f"all scored, it was to {word}")

    start(plugin="hostile", rule="max", timeout_s=2, options={"mode": str(mode)})
    put(0, "fine")
    put(8, "hang")
    put(16, "raise")
    made = scores(bus, keys)
    assert sorted(one.seq for one in made) == list(range(24)), "each once"
    by = {one.seq: one for one in made}
    ours = by[9].model
    assert ours.startswith("tiny-")
    assert {by[seq].model for seq in range(8)} == {f"{ours}+hostile-1.2:max"}
    assert all(by[seq].opinion and by[seq].opinion.logit == 2.0 for seq in range(8))  # type: ignore[union-attr]
    assert {by[seq].model for seq in range(8, 24)} == {ours}, "ours alone, and it says so"
    told = {one.opinion.outcome for one in made[8:] if one.opinion}
    assert "late" in told
    assert told <= {"late", "down", "failed"}
    counted = counts(bus, keys.detectors)
    assert counted["hostile 1.2 scored"] == 8
    assert sum(counted.values()) == 24
    raw: Any = bus.get(keys.service("worker", "w"))
    assert ServiceState.decode(raw).model == f"{ours}+hostile-1.2:max"


def test_instead_of_ours_nothing_of_ours_is_computed(
    bus: redis.Redis, keys: Keys, mode: Path, start: Callable[..., Worker]
) -> None:
    start(plugin="hostile", rule="instead", options={"mode": str(mode)})
    bus.xadd(keys.windows, {FIELD: window(0).encode()})
    wait_until(lambda: scores(bus, keys), 60, "a score")
    (made,) = scores(bus, keys)
    assert (made.model, made.verdict, made.logit) == ("hostile-1.2", "fake", 2.0)
    assert not list(bus.scan_iter(match=f"{keys.prefix}feature:*"))


def test_one_that_is_not_installed_stops_the_start(tiny: Path) -> None:
    with pytest.raises(ConfigError, match=r"worker\.detector\.plugin: no installed package has a detector 'none'"):
        Worker(settings(tiny, "redis://127.0.0.1:1", {"detector": {"plugin": "none"}}))
