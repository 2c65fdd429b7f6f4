from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import free_port, wait_until
from wire.messages import Score

Start = Callable[..., Running]


def test_the_system_as_it_stands(dashboard: Start, feed: Feed) -> None:
    now = time.time()
    feed.bus.hset(feed.keys.outcomes, mapping={"made": 50, "scored": 41, "stale": 2, "trimmed": 3})
    feed.bus.xadd(feed.keys.windows, {"m": b"x"}, id=f"{int(now * 1000) - 4000}-0")
    feed.service("streamer")
    feed.service("worker", model="m1", device="cpu", caveat="a baseline", batch_fill=0.5, busy=0.25)
    feed.evidence("a1", [b"12345"])
    one = dashboard().synced()

    def view() -> dict[str, object]:
        answer = httpx.get(f"{one.http}/api/v1/system")
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    def shown() -> dict[str, object] | None:
        found = view()
        return found if len(found["services"]) == 3 else None  # type: ignore[arg-type]

    found = wait_until(shown, 15, "the survey is done")
    assert isinstance(found, dict)
    assert found["bus"] == "ok"
    assert found["outcomes"] == {"made": 50, "scored": 41, "stale": 2, "dead": 0, "duplicate": 0, "trimmed": 3}
    assert set(found["per_minute"].values()) == {0}
    assert found["queue"]["windows"] == 1
    assert 4 <= found["queue"]["oldest_s"] < 20
    assert found["evidence"]["alerts"] == 1
    assert 5 < found["evidence"]["bytes"] < 1000
    assert found["evidence"]["limit_bytes"] == 256_000_000
    worker = found["services"][-1]
    assert [service["role"] for service in found["services"]] == ["dashboard", "streamer", "worker"]
    assert (worker["model"], worker["caveat"], worker["busy"]) == ("m1", "a baseline", 0.25)
    assert found["capacity"]["state"] == "unknown"
    assert found["stages"][0] == {"name": "ingest", "p50": None, "p95": None, "p99": None, "count": 0}
    feed.bus.hincrby(feed.keys.outcomes, "stale", 5)
    wait_until(lambda: view()["per_minute"]["stale"] == 5, 15, "the next survey counts it")  # type: ignore[index]


def test_latencies_by_stage(dashboard: Start, feed: Feed) -> None:
    feed.score("door", captured=time.time() - 60, scored=time.time() - 50)  # the past says nothing of the present
    one = dashboard().synced()
    last: Score | None = None
    for number in range(20):
        at = time.time()
        last = feed.score("door", captured=at - 1 - number / 100, enqueued=at - 1, dequeued=at - 0.5, scored=at)
    assert last is not None

    def stages() -> dict[str, dict[str, float]]:
        found = httpx.get(f"{one.http}/api/v1/system").json()["stages"]
        return {stage["name"]: stage for stage in found}

    wait_until(lambda: stages()["total"]["count"] == 20, 10, "the scores are read")
    found = stages()
    assert list(found) == ["ingest", "queue", "score", "deliver", "total"]
    assert abs(found["ingest"]["p50"] - 0.09) < 1e-3
    assert abs(found["ingest"]["p99"] - 0.19) < 1e-3
    assert abs(found["score"]["p95"] - 0.5) < 1e-3
    assert found["total"]["p50"] >= 1.09
    assert found["deliver"]["p99"] < 5


def test_without_redis_capacity_is_unknown(dashboard: Start) -> None:
    one = dashboard(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    wait_until(lambda: one.hub.bus == "lost", 10, "it is noticed")
    found = httpx.get(f"{one.http}/api/v1/system").json()
    assert found["bus"] == "lost"
    assert found["capacity"] == {
        "state": "unknown", "words": "Redis does not answer, so nothing is known of the line."
    }  # fmt: skip
