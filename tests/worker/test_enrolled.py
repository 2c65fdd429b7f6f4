"""References as a worker reads them from a real server: seldom, and said once."""

from __future__ import annotations

import pytest
import redis
from msgspec.structs import replace
from structlog.testing import capture_logs

from tests.worker.test_reference import reference
from wire import telemetry
from wire.keys import Keys
from wire.settings import TelemetrySettings
from worker.enrolled import PERIOD_S, Enrolled
from worker.reference import shift


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def enrolled(bus: redis.Redis, keys: Keys, clock: Clock) -> Enrolled:
    return Enrolled(bus, keys, "tiny", 1.0, telemetry.setup(TelemetrySettings(log_format="json"), "worker"), clock)


def reads(bus: redis.Redis) -> int:
    found = bus.info("commandstats").get("cmdstat_mget")  # type: ignore[union-attr]
    return int(found["calls"]) if found else 0


def test_one_read_for_all_that_are_due(bus: redis.Redis, keys: Keys, clock: Clock, enrolled: Enrolled) -> None:
    bus.config_resetstat()
    bus.set(keys.reference("door"), reference().encode())
    enrolled.read(["door", "hall", "door"])
    enrolled.read(["hall", "door"])
    assert reads(bus) == 1
    assert enrolled.shift("door") == shift(reference(), "tiny", 1.0) != 0
    assert enrolled.shift("hall") == enrolled.shift("never-read") == 0.0
    clock.now += PERIOD_S
    enrolled.read(["hall", "door"])
    assert reads(bus) == 2


def test_a_removed_reference_is_gone_after_the_period(
    bus: redis.Redis, keys: Keys, clock: Clock, enrolled: Enrolled
) -> None:
    bus.set(keys.reference("door"), reference().encode())
    enrolled.read(["door"])
    bus.delete(keys.reference("door"))
    clock.now += PERIOD_S
    with capture_logs() as said:
        enrolled.read(["door"])
    assert enrolled.shift("door") == 0.0
    assert [line["event"] for line in said] == ["reference removed"]


@pytest.mark.parametrize(
    ("raw", "said"), [(b"junk", "not a reference"), (replace(reference(), model="old").encode(), "made with old")]
)
def test_what_is_of_no_use_is_said_once(
    raw: bytes, said: str, bus: redis.Redis, keys: Keys, clock: Clock, enrolled: Enrolled
) -> None:
    bus.set(keys.reference("door"), raw)
    with capture_logs() as lines:
        for _ in range(3):
            enrolled.read(["door"])
            clock.now += PERIOD_S
    assert enrolled.shift("door") == 0.0
    (line,) = lines
    assert line["event"] == "reference ignored"
    assert said in line["why"]
