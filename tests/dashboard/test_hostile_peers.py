"""Peers that trickle, flood, do not listen, or say one thing in two ways; while an ordinary client is served."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from typing import Any

import httpx
import pytest
import redis

from dashboard import connection, hub, limits, look
from dashboard.api.asking import MAX_BODY
from dashboard.headers import SECURITY_HEADERS
from dashboard.protocol import CLOSE_TOO_MUCH
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.dashboard.talk import talking
from tests.dashboard.wire_talk import close_code, connect, frame, head, rest, say, status, upgraded
from tests.support.servers import wait_until

Start = Callable[..., Running]
HELLO = frame(b'{"type":"hello","version":1}')


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits in a tenth of the time."""
    for name in ("HEAD_S", "BODY_S", "STALL_S"):
        monkeypatch.setattr(limits, name, getattr(limits, name) / 10)
    monkeypatch.setattr(connection, "TICK_S", 0.1)


def latency_ms(one: Running, client: httpx.Client, tries: int = 40) -> float:
    """Median of a plain request's time."""
    taken = []
    for _ in range(tries):
        began = time.perf_counter()
        assert client.get(f"{one.http}/healthz").status_code == 200
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


@pytest.mark.usefixtures("impatient")
def test_200_slow_heads_are_ended_in_time_while_a_client_is_served(dashboard: Start) -> None:
    one = dashboard()
    # A connection for each request: one that is kept would have to bring its next head in time, too.
    with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0)) as client, ExitStack() as stack:
        alone = latency_ms(one, client)
        began = time.monotonic()
        slow = [stack.enter_context(closing(connect(one.port))) for _ in range(200)]
        ended: set[int] = set()
        beside: list[float] = []
        while time.monotonic() - began < 20 * limits.HEAD_S and len(ended) < len(slow):
            for number, peer in enumerate(slow):  # a byte each, again and again
                try:
                    peer.sendall(b"G" if number % 2 else b"GET / HTTP/1.1\r\nX: 1\r\n"[:1])
                except ConnectionError:
                    ended.add(number)
            beside.append(latency_ms(one, client, tries=10))
        assert len(ended) == len(slow), "a byte now and then wins no time"
        assert statistics.median(beside) < 3 * alone + 200, "the loop comes round, on a busy machine"
    print(f"median of /healthz: {alone:.1f} ms alone, {statistics.median(beside):.1f} ms beside 200 slow heads")
    wait_until(lambda: one.connections == 0, 10, "no connection is kept")


@pytest.mark.usefixtures("impatient")
def test_a_head_that_stops_and_a_body_that_stops_are_answered_with_408(dashboard: Start, feed: Feed) -> None:
    one = dashboard()
    for text in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
        answer = say(one.port, text)
        assert status(answer) == 408
        assert b"content-security-policy: default-src 'none'" in answer
    body = head("/api/v1/snooze", "Content-Type: application/json", "Content-Length: 20", method="POST") + b"{"
    assert status(say(one.port, body)) == 408


@pytest.mark.usefixtures("impatient")
def test_a_second_head_on_a_connection_has_its_time_too(dashboard: Start) -> None:
    one = dashboard()
    with closing(connect(one.port)) as peer:
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal")
        answers = rest(peer)
    assert answers.count(b"HTTP/1.1 200 ") == 1
    assert answers.count(b"HTTP/1.1 408 ") == 1


@pytest.mark.usefixtures("impatient")
def test_an_answer_that_nobody_reads_is_not_kept(dashboard: Start, feed: Feed) -> None:
    feed.alert("a1")
    feed.all_evidence("a1", [b"\xff\xd8"], mp4=bytes(20_000_000))
    one = dashboard().synced()
    with closing(connect(one.port)) as deaf:
        deaf.sendall(head("/api/v1/alerts/a1/evidence/clip.mp4"))
        wait_until(lambda: one.connections == 1, 15, "it is connected")
        wait_until(lambda: one.connections == 0, 15 * limits.STALL_S, "it is cut")
    whole = httpx.get(f"{one.http}/api/v1/alerts/a1/evidence/clip.mp4")
    assert len(whole.content) == 20_000_000


def test_connections_are_limited_and_a_place_is_free_again(dashboard: Start) -> None:
    one = dashboard(max_connections_per_address=20)
    with ExitStack() as stack:
        inside = [stack.enter_context(closing(connect(one.port))) for _ in range(10)]
        sockets = [stack.enter_context(closing(upgraded(one.port)[0])) for _ in range(10)]
        answer = say(one.port, b"")
        assert status(answer) == 503
        assert b"max_connections" in answer
        inside.pop().close()
        wait_until(lambda: status(say(one.port, head())) == 200, 15, "there is room for one")
        inside.append(stack.enter_context(closing(connect(one.port))))
        assert status(say(one.port, b"")) == 503
        sockets.pop().close()
        wait_until(lambda: status(say(one.port, head())) == 200, 15, "there is room for one")
    wait_until(lambda: one.connections == 0, 10, "all are gone")
    assert httpx.get(f"{one.http}/healthz").status_code == 200


def test_the_door_holds_for_all_addresses_together(dashboard: Start) -> None:
    one = dashboard(max_connections=3)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(closing(connect(one.port)))
        assert status(say(one.port, b"")) == 503


def test_asking_whether_it_is_ready_costs_redis_little(dashboard: Start, bus: redis.Redis) -> None:
    """Anybody may ask, and each look goes through all keys of Redis."""
    one = dashboard().synced()

    def looks() -> int:
        told: Any = bus.info("commandstats")
        return int(told.get("cmdstat_scan", {"calls": 0})["calls"])

    async def ask(times: int) -> set[int]:
        async with httpx.AsyncClient(timeout=20) as client:
            answers = await asyncio.gather(*(client.get(f"{one.http}/readyz") for _ in range(times)))
        return {answer.status_code for answer in answers}

    before, began = looks(), time.monotonic()
    for _ in range(2):
        assert asyncio.run(ask(100)) == {503}
    took = time.monotonic() - began
    assert looks() - before <= took / look.LEAST_S + took / hub.SURVEY_S + 4, "a look for each would be 200"


POST = ("Content-Type: application/json",)
SIZES = {
    "address": (head("/" + "a" * 5000), 414),
    "address beyond any head": (head("/" + "a" * 100_000), 414),
    "one header": (head("/healthz", "X: " + "a" * 17_000), 431),
    "many headers": (head("/healthz", *(f"X{n}: 1" for n in range(2000))), 431),
    "headers beyond any head": (head("/healthz", "X: " + "a" * 1_000_000), 431),
    "parameters": (head("/api/v1/alerts?" + "&".join(f"camera={n}" for n in range(70))), 400),
    "body": (head("/api/v1/snooze", *POST, f"Content-Length: {MAX_BODY + 1}", method="POST"), 413),
    "length of nonsense": (head("/api/v1/snooze", *POST, "Content-Length: " + "9" * 40, method="POST"), 400),
    "negative length": (head("/api/v1/snooze", *POST, "Content-Length: -1", method="POST"), 400),
    "body of a page": (head("/", "Content-Length: 99999999"), 413),
    "chunks": (
        head("/api/v1/snooze", *POST, "Transfer-Encoding: chunked", method="POST")
        + b"".join(b"4000\r\n" + b" " * 0x4000 + b"\r\n" for _ in range(8)),
        413,
    ),
}


def test_what_is_too_large_is_refused(dashboard: Start) -> None:
    port = dashboard().port
    for what, (text, expected) in SIZES.items():
        answer = say(port, text)
        beyond = {400} if len(text) > limits.MAX_HEAD else set()  # as far as it is read before its end arrives
        assert status(answer) in {expected} | beyond, (what, answer[:200])
        for name in SECURITY_HEADERS:
            assert f"\r\n{name}: ".encode() in answer, what


SMUGGLED = {
    "both lengths": ["Content-Length: 2", "Transfer-Encoding: chunked"],
    "both lengths, the other way": ["Transfer-Encoding: chunked", "Content-Length: 2"],
    "two lengths": ["Content-Length: 2", "Content-Length: 3"],
    "a list of lengths": ["Content-Length: 2, 3"],
    "a length with a sign": ["Content-Length: +2"],
    "a length in hex": ["Content-Length: 0x2"],
    "another coding": ["Transfer-Encoding: xchunked"],
    "two codings": ["Transfer-Encoding: gzip, chunked"],
    "two chunkings": ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "a blank before the colon": ["Content-Length : 2"],
    "a folded coding": ["Transfer-Encoding:\r\n chunked", "Content-Length: 2"],
    "a bare newline in a name": ["X\nContent-Length: 2"],
    "two hosts": ["Host: evil.example"],
    "a nul in a value": ["X: \0"],
}


def test_a_request_that_can_be_read_in_two_ways_is_answered_once_and_ends_the_connection(dashboard: Start) -> None:
    port = dashboard().port
    hidden = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for what, added in SMUGGLED.items():
        lines = ["POST /api/v1/snooze HTTP/1.1", "Host: localhost", "Content-Type: application/json", *added, "", ""]
        answer = say(port, "\r\n".join(lines).encode() + hidden)
        assert status(answer) in (400, 501), (what, answer[:200])
        assert answer.count(b"HTTP/1.1 ") == 1, what


def test_an_absolute_address_and_a_bare_return_mean_one_thing(dashboard: Start) -> None:
    port = dashboard().port
    absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert status(say(port, absolute)) == 404
    assert status(say(port, head("/healthz", "X: 1\rContent-Length: 5"))) == 400


WIDE = b'{"type":"subscribe","id":"%d","cameras":[' + b'"' + b'","'.join([b"a" * 120] * 256) + b'"]}'
FLOODS = {
    "pings": frame(b"", opcode=9) * 50_000,
    "empty fragments": frame(b"{", fin=False) + frame(b"", opcode=0, fin=False) * 50_000,
    "small messages": frame(b'{"type":"ping"}') * 20_000,
    "bytes": b"".join(frame(WIDE % (number % 16)) for number in range(160)),
}


def test_a_subscriber_that_floods_is_closed(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    for what, flood in FLOODS.items():
        peer, _ = upgraded(one.port)
        with closing(peer):
            peer.sendall(HELLO)
            with suppress(ConnectionError):
                peer.sendall(flood)
            assert close_code(rest(peer)) in (CLOSE_TOO_MUCH, None), what  # None: reset under what was still sent
        wait_until(lambda: one.connections == 0, 15, f"gone after {what}")
    with httpx.Client() as client:
        assert latency_ms(one, client) < 200


def test_a_compressed_message_is_neither_agreed_on_nor_unpacked(dashboard: Start) -> None:
    peer, answer = upgraded(dashboard().port, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=15")
    with closing(peer):
        assert b"101 Switching" in answer
        assert b"sec-websocket-extensions" not in answer.lower()
        peer.sendall(frame(b"\x00" * 100, rsv1=True))
        assert close_code(rest(peer)) == 1002


AGAINST = (
    (frame(b"{" + b" " * 70_000), 1009),
    (frame(b"{", fin=False) + frame(b" " * 70_000, opcode=0), 1009),
    (frame(b"\xff\xfe"), 1007),
    (frame(b"", opcode=3), 1002),
    (frame(b"a" * 126, opcode=9), 1002),
    (b"\x81\x05hello", 1002),  # no mask
)


def test_a_frame_against_the_protocol_ends_the_connection(dashboard: Start) -> None:
    one = dashboard()
    for sent, code in AGAINST:
        peer, _ = upgraded(one.port)
        with closing(peer):
            peer.sendall(sent)
            assert close_code(rest(peer)) == code, sent[:20]


def test_a_handshake_that_fails_carries_the_headers(dashboard: Start) -> None:
    text = b"GET /ws/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    answer = say(dashboard().port, text)
    assert status(answer) in (400, 426)
    for name in SECURITY_HEADERS:
        assert f"\r\n{name}: ".encode() in answer


def test_patterns_by_the_thousand_hold_nobody_up(dashboard: Start, feed: Feed) -> None:
    feed.camera("lobby-1")
    one = dashboard().synced()
    began = time.process_time()  # of this process, the dashboard's
    with ExitStack() as stack:
        talks = [stack.enter_context(talking(one)) for _ in range(3)]
        for number, talk in enumerate(talks):
            for id in range(16):
                patterns = [f"{'*a' * 50}{number}-{id}-{each}" for each in range(256)]
                talk.say(type="subscribe", id=str(id), topics=["cameras"], cameras=patterns)
        for talk in talks:
            for _ in range(16):
                talk.hear("subscribed")
        feed.camera("lobby-1", fps=7.0)  # which all of them are compared with
        feed.camera("lobby-2")
        wait_until(lambda: "lobby-2" in one.hub.cameras, 60, "it is read")
        assert httpx.get(f"{one.http}/healthz", timeout=60).status_code == 200
    assert time.process_time() - began < 4  # it was 13 s, and the supervisor took it for hung


def test_a_handshake_that_can_not_be_read_is_ended_at_once(dashboard: Start) -> None:
    one = dashboard()
    key = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")
    wrong = {
        ("Content-Length: 10",): 400,
        ("Transfer-Encoding: chunked",): 400,
        tuple(f"X-{number}: a" for number in range(200)): 431,
        (f"X: {'a' * 12_000}",): 431,
    }
    for lines, code in wrong.items():
        text = "\r\n".join(("GET /ws/v1 HTTP/1.1", "Host: localhost", *key, *lines, "", ""))
        answer = say(one.port, text.encode())
        assert status(answer) == code, lines[0][:40]
        for name in SECURITY_HEADERS:
            assert f"\r\n{name}: ".encode() in answer
    wait_until(lambda: one.connections == 0, 15, "all have gone")


def test_a_handshake_that_is_refused_writes_nothing_to_the_log(
    dashboard: Start, caplog: pytest.LogCaptureFixture
) -> None:
    one = dashboard()
    key = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==")
    refused = {
        404: ("GET /ws HTTP/1.1", "Host: localhost"),
        403: ("GET /ws/v1 HTTP/1.1", "Host: localhost", "Origin: https://evil.example"),
        421: ("GET /ws/v1 HTTP/1.1", "Host: evil.example"),
    }
    for code, lines in refused.items():
        assert status(say(one.port, "\r\n".join((*lines, *key, "", "")).encode())) == code
    wait_until(lambda: one.connections == 0, 15, "all have gone")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
