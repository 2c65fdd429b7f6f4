"""Which batch goes first: the line on a real Redis, with an encoder that waits until it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import redis
import structlog

from tests.support.servers import free_port, valkey, wait_until
from tests.worker.making import settings, window
from wire import bus as wire_bus
from wire.keys import FIELD, Keys
from wire.messages import Score, Window
from wire.settings import WorkerSettings
from wire.shards import Space
from worker.backend import Backend, open_backend
from worker.encoding import Encoding
from worker.features import Feature, FrameId
from worker.line import Line
from worker.load import Load
from worker.loop import TURN_S, Loop
from worker.model import Detector
from worker.preprocess import Pixels
from worker.scorer import Scorer


class Watched(Scorer):
    """Tells of the cameras of each batch before it is begun, and encodes while `may` is set."""

    def __init__(self, checkpoint: Path, begins: Callable[[set[str]], None]) -> None:
        self.may, self._begins, self._last = threading.Event(), begins, cast("Encoding | None", None)
        super().__init__(settings(checkpoint), engine=self._open)

    def start(self, windows: Sequence[Window], known: Mapping[FrameId, Feature], behind: bool = False) -> Encoding:
        if behind and self._last is not None:
            assert self._last.encoded(10)
        self._begins({window.camera for window in windows})
        self._last = super().start(windows, known, behind)
        return self._last

    def _open(self, model: Detector, limits: WorkerSettings) -> Backend:
        backend = open_backend(model, limits)
        encode = backend.encode

        def patient(images: Pixels) -> object:
            assert self.may.wait(10)
            return encode(images)

        backend.encode = patient  # type: ignore[method-assign, assignment]
        return backend


def lined(
    scorer: Scorer,
    checkpoint: Path,
    redis_url: str,
    bus: redis.Redis,
    keys: Keys,
    budget: threading.Semaphore | None = None,
    abandon: Callable[[], bool] = lambda: False,
) -> Line:
    configured, log = settings(checkpoint, redis_url, {"deadline_ms": 0}), structlog.get_logger()
    budget, load = budget or threading.Semaphore(2), Load(16, time.monotonic())
    line = Line(configured, Space(bus, keys), "w", scorer, time.time, abandon, budget, load, log)
    line.open(returned=False)
    return line


def put(bus: redis.Redis, keys: Keys, seq: int) -> None:
    """A window of each of a dozen faces before one camera, and of one before the other."""
    for camera, track in (("door", 0), *(("hall", face) for face in range(12))):
        bus.xadd(keys.windows, {FIELD: window(seq, camera, f"1-{track}").encode()})


def learn(line: Line, bus: redis.Redis, keys: Keys) -> None:
    """From then on it knows what each asks for."""
    put(bus, keys, 0)
    while bus.hget(keys.outcomes, "scored") != b"13":
        line.turn()


def test_what_comes_of_others_passes_the_batch_of_a_crowd(
    tiny: Path, redis_url: str, bus: redis.Redis, keys: Keys
) -> None:
    def on_begin(cameras: set[str]) -> None:
        begun.append(cameras)
        if begun == [{"door"}, {"hall"}]:
            scorer.may.clear()
            bus.xadd(keys.windows, {FIELD: window(2).encode()})
        else:
            scorer.may.set()

    begun: list[set[str]] = []
    scorer = Watched(tiny, on_begin)
    line = lined(scorer, tiny, redis_url, bus, keys)
    learn(line, bus, keys)
    begun.clear()
    put(bus, keys, 1)
    committed = []
    for _ in range(3):
        made = line.turn()
        assert made is not None
        committed.append({(score.camera, score.seq) for score in made.scores})
    assert committed == [{("door", 1)}, {("door", 2)}, {("hall", 1)}]
    assert begun[:3] == [{"door"}, {"hall"}, {"door"}], "others go by themselves, and first"


def test_to_wait_while_a_crowd_is_encoded_is_no_standstill(
    tiny: Path, redis_url: str, bus: redis.Redis, keys: Keys
) -> None:
    """Its slices are watched themselves, and many in a row that give way may take longer than a turn."""

    def on_begin(cameras: set[str]) -> None:
        (scorer.may.clear if cameras == {"hall"} and learnt else scorer.may.set)()

    def go_on_once_it_has_looked() -> None:
        try:
            wait_until(lambda: not loop.hung(), 10, "it looks what may pass the crowd by")
        finally:
            scorer.may.set()

    learnt: list[bool] = []
    scorer = Watched(tiny, on_begin)
    line = lined(scorer, tiny, redis_url, bus, keys)
    loop = Loop(line, threading.Event(), lambda: None, structlog.get_logger())
    learn(line, bus, keys)
    learnt.append(True)
    put(bus, keys, 1)
    line.turn()  # the other camera's; the crowd's is on its way
    line.looked = loop._turned = time.monotonic() - 2 * TURN_S
    assert loop.hung(), "so long in one turn"
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(go_on_once_it_has_looked)
        made = line.turn()
        looking.result()
    assert made is not None
    assert {score.camera for score in made.scores} == {"hall"}


class Silent(redis.Redis):
    """Answers no MGET before it may, as a node that stops between two commands."""

    def __init__(self, url: str) -> None:
        super().__init__(connection_pool=redis.ConnectionPool.from_url(url))
        self.asked, self.may = threading.Event(), threading.Event()

    def execute_command(self, *args: object, **options: object) -> object:
        if args[0] == "MGET":
            self.asked.set()
            assert self.may.wait(20)
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


def test_a_line_that_waits_for_its_node_keeps_no_room_in_the_lanes(
    tiny: Path, redis_url: str, bus: redis.Redis, keys: Keys
) -> None:
    budget = threading.Semaphore(1)
    with Silent(redis_url) as node:
        line = lined(Scorer(settings(tiny)), tiny, redis_url, node, keys, budget)
        bus.xadd(keys.windows, {FIELD: window(0).encode()})
        turning = threading.Thread(target=line.turn)
        turning.start()
        assert node.asked.wait(20)
        free = budget.acquire(timeout=1)
        if free:
            budget.release()
        node.may.set()
        turning.join(20)
    assert free, "another shard's line has the lanes meanwhile"
    assert bus.hget(keys.outcomes, "scored") == b"1"


def test_what_went_with_a_server_that_is_back_at_once_is_not_counted(tiny: Path, tmp_path: Path, keys: Keys) -> None:
    """It is started again without its data while a batch is encoded: the client connects anew by itself, and no command
    fails that was sent."""
    port, scorer = free_port(), Watched(tiny, lambda _: None)

    def replaced() -> bool:
        if not scorer.may.is_set():
            process.kill()
            process.wait()
            servers.enter_context(valkey(tmp_path, port=port))
            scorer.may.set()
        return False

    with ExitStack() as servers:
        url, process = servers.enter_context(valkey(tmp_path, port=port))
        bus = servers.enter_context(wire_bus.connect(url))
        bus.xadd(keys.windows, {FIELD: window(0).encode()})
        line = lined(scorer, tiny, url, bus, keys, abandon=replaced)
        with suppress(redis.ResponseError):  # there is no group
            line.turn()
        line.open(returned=True)
        bus.xadd(keys.windows, {FIELD: window(1).encode()})
        while bus.xlen(keys.windows):
            line.turn()
        scored = [Score.decode(fields[FIELD]).seq for _, fields in cast("list[Any]", bus.xrange(keys.scores))]
        assert (scored, bus.hgetall(keys.outcomes)) == ([1], {b"scored": b"1"})
