from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import redis
from redis._parsers.base import BaseParser

from dashboard.probes import refused
from dashboard.system import STAGES
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.servers import free_port, valkey, wait_until
from wire.keys import Keys
from wire.shards import Shard, prefixes

JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"
Start = Callable[..., Running]


def test_healthz_answers_and_readyz_tells_what_is_missing(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    assert httpx.get(f"{one.http}/healthz").status_code == 200
    answer = httpx.get(f"{one.http}/readyz")
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert parts["redis"]["ok"]
    assert not parts["streamer"]["ok"]
    assert parts["worker"] == {"ok": False, "detail": "none is ready: is one running?"}
    feed.service("streamer")
    feed.service("worker", state="starting")
    parts = httpx.get(f"{one.http}/readyz").json()["parts"]
    assert parts["streamer"]["ok"]
    assert parts["worker"] == {"ok": False, "detail": "none is ready: 1 starting"}
    assert httpx.get(f"{one.http}/readyz").status_code == 503
    feed.service("worker")
    answer = httpx.get(f"{one.http}/readyz")
    assert answer.status_code == 200, answer.text
    assert answer.json()["ready"]


def test_without_redis_the_page_is_served_and_readyz_says_so(dashboard: Start) -> None:
    one = dashboard(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    assert httpx.get(f"{one.http}/").status_code == 200
    assert httpx.get(f"{one.http}/healthz").status_code == 200
    answer = httpx.get(f"{one.http}/readyz", timeout=20)
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert not parts["redis"]["ok"]
    assert parts["worker"]["detail"] == parts["streamer"]["detail"] == "not known: Redis does not answer"
    preview = httpx.get(f"{one.http}/api/v1/cameras/door/preview.jpg", timeout=20)
    assert preview.status_code == 503
    assert "Redis" in preview.json()["error"]
    assert "unmask_redis_up 0.0" in httpx.get(f"{one.http}/metrics", timeout=20).text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("MISCONF Errors writing to the AOF file: No space left on device", "free its disk"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "raise its maxmemory"),
        ("NOPERM User ingrid has no permissions to run the 'set' command", "the dashboard's log says why"),
    ],
)
def test_why_redis_takes_no_writes_is_told_without_its_own_words(answer: str, words: str) -> None:
    error = BaseParser.parse_error(answer)
    assert isinstance(error, redis.ResponseError)
    assert words in refused(error)
    assert "ingrid" not in refused(error)


def test_readyz_names_a_redis_that_takes_no_writes(dashboard: Start, feed: Feed, bus: redis.Redis) -> None:
    one = dashboard().synced()
    feed.service("streamer")
    feed.service("worker")
    assert httpx.get(f"{one.http}/readyz").status_code == 200
    bus.config_set("maxmemory", 1)
    try:
        wait_until(lambda: httpx.get(f"{one.http}/readyz").status_code == 503, 20, "it is not ready")
        parts = httpx.get(f"{one.http}/readyz").json()["parts"]
    finally:
        bus.config_set("maxmemory", 0)
    assert not parts["redis"]["ok"]
    assert parts["redis"]["detail"] == "takes no writes: it has no memory left, raise its maxmemory"
    wait_until(lambda: httpx.get(f"{one.http}/readyz").status_code == 200, 20, "it is ready again by itself")


def test_readyz_names_a_shard_that_takes_no_writes(
    dashboard: Start, bus: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    home, (here, there) = Keys("{u}:"), [Keys(prefix) for prefix in prefixes("{u}:", 2)]
    feed = Feed(bus, home)
    feed.service("streamer")
    feed.service("worker")
    with valkey(tmp_path) as (url, _), redis.Redis.from_url(url) as away:
        one = dashboard(keys=home, shards=(Shard(redis_url, here), Shard(url, there))).synced()
        away.config_set("maxmemory", 1)

        def detail() -> str:
            return str(httpx.get(f"{one.http}/readyz").json()["parts"]["redis"]["detail"])

        wait_until(lambda: detail() != "answers", 20, "it is not ready")
        assert detail() == "takes no writes for 1 of 2 shards: it has no memory left, raise its maxmemory"
        away.config_set("maxmemory", 0)
        wait_until(lambda: httpx.get(f"{one.http}/readyz").status_code == 200, 20, "it is ready again by itself")
        one.stop()


def test_metrics(dashboard: Start, feed: Feed, bus: redis.Redis) -> None:
    one = dashboard(stale_after_s=60).synced()
    bus.hset(feed.keys.outcomes, mapping={"scored": 41, "stale": 2})
    bus.xadd(feed.keys.windows, {"m": b"x"}, id=f"{int(time.time() * 1000) - 4000}-0")
    feed.camera("door")
    feed.score("door", captured=time.time() - 0.4)
    feed.alert("a1")
    bus.xadd(feed.keys.scores, {"m": b"no score"})

    feed.service("worker", batch_fill=0.75, busy=0.5)

    def text() -> str:
        return httpx.get(f"{one.http}/metrics").text

    wait_until(lambda: 'unmask_worker_busy_ratio{worker="worker-1"} 0.5' in text(), 15, "the worker is found")
    wait_until(lambda: 'unmask_undecodable_total{stream="scores"} 1.0' in text(), 15, "all is read")
    wait_until(lambda: "unmask_alerts_open 1.0" in text(), 15, "the alert is read")
    lines = dict(line.rsplit(" ", 1) for line in text().splitlines() if not line.startswith("#"))
    assert lines['unmask_windows_total{outcome="scored"}'] == "41.0"
    assert lines['unmask_windows_total{outcome="stale"}'] == "2.0"
    assert lines['unmask_windows_total{outcome="made"}'] == "0.0"
    assert lines['unmask_batch_fill_ratio{worker="worker-1"}'] == "0.75"
    assert lines["unmask_queue_windows"] == "1.0"
    assert 4 <= float(lines["unmask_queue_age_seconds"]) < 20
    assert lines['unmask_cameras{state="live"}'] == "1.0"
    assert lines['unmask_cameras{state="frozen"}'] == "0.0"
    assert lines["unmask_capture_to_score_seconds_count"] == "1.0"
    assert lines["unmask_redis_up"] == "1.0"
    for stage in STAGES:
        assert lines[f'unmask_stage_seconds_count{{stage="{stage}"}}'] == "1.0"
    assert lines["unmask_evidence_bytes"] == "0.0"
    feed.evidence("a1", [JPEG])
    later = dict(line.rsplit(" ", 1) for line in text().splitlines() if not line.startswith("#"))
    assert later["unmask_evidence_alerts"] == "1.0"
    assert float(later["unmask_evidence_bytes"]) == float(bus.hget(feed.keys.evidence_bytes, "") or 0) > len(JPEG)
    bus.delete(feed.keys.service("worker", "worker-1"))
    wait_until(lambda: 'worker="worker-1"' not in text(), 15, "what is gone is measured no more")


def test_the_token_guards_data_and_not_the_probes(dashboard: Start, feed: Feed) -> None:
    one = dashboard(token="s3cret").synced()
    feed.bus.set(feed.keys.preview("door"), JPEG)
    for path in ("cameras", "alerts", "alerts/a1", "alerts/a1/evidence/0.jpg", "cameras/door/preview.jpg"):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic s3cret"}):
            answer = httpx.get(f"{one.http}/api/v1/{path}", headers=headers)
            assert answer.status_code == 401, (path, headers)
            assert "token" in answer.json()["error"]
    good = httpx.get(f"{one.http}/api/v1/cameras/door/preview.jpg", headers={"authorization": "Bearer s3cret"})
    assert good.content == JPEG
    for path in ("/", "/healthz", "/static/app.js"):
        assert httpx.get(one.http + path).status_code == 200
    assert httpx.get(f"{one.http}/metrics").status_code == 401


def test_security_headers(dashboard: Start) -> None:
    one = dashboard()
    page = httpx.get(f"{one.http}/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "camera=(), " in page.headers["permissions-policy"]
    api = httpx.get(f"{one.http}/api/v1/cameras")
    assert api.headers["x-content-type-options"] == "nosniff"
    assert api.headers["cache-control"] == "no-cache"
    assert httpx.get(f"{one.http}/metrics").headers["cache-control"] == "no-store"
    lost = httpx.get(f"{one.http}/nowhere")
    assert lost.status_code == 404
    assert lost.json() == {"error": "Not Found"}


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost:9", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("evil.example", 421), ("", 421), ("[", 421)],
)
def test_without_a_token_only_loopback_names_are_served(dashboard: Start, host: str, status: int) -> None:
    one = dashboard()
    assert httpx.get(f"{one.http}/api/v1/cameras", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8008", 200), ("192.168.1.5:8008", 200), ("[fd00::5]:8008", 200), ("dashboard:8008", 200),
        ("nas.local", 200), ("unmask.cctv.svc:8008", 200), ("cctv.example", 200), ("CCTV.example:443", 200),
        ("evil.example", 421), ("local.evil.example", 421), ("192.168.1.5.evil.example", 421), ("evil.example.", 421),
        ("", 421), ("[", 421),
    ],
)  # fmt: skip
def test_whoever_may_come_in_does_so_by_no_strangers_name(dashboard: Start, host: str, status: int) -> None:
    one = dashboard(allow_anonymous=True, public_url="https://cctv.example/")
    headers = {"host": host, "origin": f"http://{host}"}
    assert httpx.get(f"{one.http}/api/v1/cameras", headers=headers).status_code == status
    changed = httpx.delete(f"{one.http}/api/v1/snooze", headers=headers)
    assert changed.status_code == status


def test_a_probe_that_names_no_host_is_served_where_anybody_is(dashboard: Start) -> None:
    one = dashboard(allow_anonymous=True)
    with socket.create_connection(("127.0.0.1", one.port), 15) as door:
        door.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert door.recv(64).startswith(b"HTTP/1.1 200")


def test_with_a_token_any_name_is_served(dashboard: Start) -> None:
    one = dashboard(token="s3cret")
    answer = httpx.get(f"{one.http}/api/v1/cameras", headers={"host": "cctv", "authorization": "Bearer s3cret"})
    assert answer.status_code == 200


def test_a_wrong_token_is_not_called_a_missing_one(dashboard: Start) -> None:
    url = f"{dashboard(token='s3cret').http}/api/v1/me"
    assert httpx.get(url).json()["error"].startswith("a token is needed")
    assert httpx.get(url, headers={"authorization": "Bearer other"}).json()["error"].startswith("the token is wrong")
