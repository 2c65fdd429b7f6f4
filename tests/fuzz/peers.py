"""Fuzz targets that are the other end of a connection: a publisher, a device of the network, a plugin, a web server."""

from __future__ import annotations

import asyncio
import io
import math
import random
import selectors
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpcore
import httpx
import msgspec
import yaml

from dashboard.notify import plugin as notifier
from dashboard.notify.channel import Refused, TryLater
from dashboard.notify.webhook import LONGEST_WAIT_S, retry_after
from streamer import rtmp
from streamer.push import Place, Push, _Peer
from streamer.rtmp import encode
from streamer.web import Web
from tests.streamer.test_rtmp import BEGUN, CONNECT, HELLO, LONG, PUBLISH, command, message
from tests.support.onvif import OnvifCamera
from tests.worker.making import score
from unmask.discover.asking import Login, ask
from unmask.discover.camera import as_object, as_yaml
from unmask.discover.probing import MAX_OF_ONE, Answer, _Listener, answers
from wire import guest
from wire.errors import SourceError
from wire.guest import GuestError, Reply
from wire.settings import DetectorSettings
from worker import guest as detector
from worker.ensemble import Ensemble

KEY, PASSWORD = "s3cret-key", "hunter22"
HOST = "192.0.2.7"
BETWEEN = b"\n--\n"  # the answers of a device, in the order in which it is asked


def _words(text: str) -> None:
    """One line for people, short, and without what the other end must not be told."""
    assert "\n" not in text
    assert len(text) <= guest.LONGEST
    assert KEY not in text
    assert PASSWORD not in text


def publisher(data: bytes) -> None:
    """What a publisher says, from the first byte or once it is let in: FLV, however it is cut, or one refusal."""
    for before in (b"", HELLO, HELLO + CONNECT, BEGUN):
        whole = (before + data)[: rtmp.MAX_BEFORE]
        made = _flv(whole, [])
    assert made == _flv(whole, sorted(random.Random(len(data)).sample(range(len(whole)), 3)))
    _pushed(BEGUN + data)


def _flv(whole: bytes, cuts: list[int]) -> tuple[bytes, str]:
    """What is made of it, and why it was refused."""
    session, made, said = rtmp.Session("live", KEY), b"", 0
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        try:
            made += session.receive(whole[begin:end])
        except rtmp.Refused as refused:
            _words(str(refused))
            return made + bytes(session._flv), str(refused)
        said += len(session.answers())
        assert said < 20 * (len(whole) + 1000)
    _tags(made)
    return made, ""


def _tags(flv: bytes) -> None:
    at = len(rtmp.FLV_HEAD)
    assert flv[:at] == rtmp.FLV_HEAD[: len(flv)]
    while at < len(flv):
        size = int.from_bytes(flv[at + 1 : at + 4])
        assert int.from_bytes(flv[at + 11 + size : at + 15 + size]) == size + 11
        at += size + 15


def _pushed(whole: bytes) -> None:
    """The same by a socket, as the camera's thread reads it."""
    heard: list[str] = []
    push = Push(Place("127.0.0.1", 1, "live", KEY), "door", 5, threading.Event(), heard.append)
    ours, theirs = socket.socketpair()
    with ours, theirs, selectors.DefaultSelector() as selector:
        theirs.sendall(whole)
        theirs.shutdown(socket.SHUT_WR)
        ours.settimeout(0.25)
        peer = _Peer(rtmp.Session("live", KEY), HOST, 0)
        selector.register(ours, selectors.EVENT_READ, peer)
        while selector.get_map() and not push._hear(selector, ours, peer):
            pass
        with suppress(SourceError):
            while push._peer is not None and push.read(1 << 15):
                pass
    _words("".join(heard))


def probed(data: bytes) -> None:
    """A datagram in answer to WS-Discovery: devices on the sender's own address, in words for a terminal."""
    found = answers(data, HOST)
    for one in found:
        assert one.address == HOST
        assert not one.service or urlsplit(one.service).hostname == HOST
        assert (one.name + one.hardware).isprintable()
    listener = _Listener(frozenset())
    listener.datagram_received(data, (HOST, 3702))
    assert len(listener.found) <= MAX_OF_ONE


class _Answering(httpcore.AsyncMockBackend):
    """A network on which each connection hears the next of `answers`, the last one again and again."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers, self._connections = answers, 0

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        said = self._answers[min(self._connections, len(self._answers) - 1)]
        self._connections += 1
        return httpcore.AsyncMockStream([said])


_LOOP = asyncio.new_event_loop()


def device(data: bytes) -> None:
    """HTTP answers of an ONVIF device, whole: its streams on its own address, or in one line why not."""
    carried = httpx.AsyncHTTPTransport(verify=False)
    carried._pool = httpcore.AsyncConnectionPool(
        network_backend=_Answering(data.split(BETWEEN)), max_keepalive_connections=0
    )
    named = Answer(HOST, f"http://{HOST}/onvif/device_service")
    found = _LOOP.run_until_complete(ask(named, Login("viewer", PASSWORD), 10, carried))
    assert found.problem.isprintable()
    assert PASSWORD not in str(as_object([found]))
    for one in yaml.safe_load(as_yaml([found]))["cameras"].values():
        parts = urlsplit(one["url"])
        assert parts.scheme in ("rtsp", "rtsps")
        assert parts.netloc.rpartition("@")[2].partition(":")[0] == HOST


_ODDS = [
    Ensemble(DetectorSettings(plugin="x", rule=rule, temperature=0.05), "x", "1", "tiny", 2.0, 0.6, 0.9)
    for rule in ("instead", "mean", "max", "weighted")
]


def plugin(data: bytes) -> None:
    """What a plugin's process answers, framed by us or by itself; a detector's and a notifier's words in it."""
    for said in (data, len(data).to_bytes(guest.HEAD, "big") + data, _framed(Reply(body=data))):
        try:
            body = guest.heard(io.BytesIO(said)).body
        except GuestError as error:
            _words(error.reason)
            continue
        except (EOFError, ValueError):
            continue
        _detected(body)
        _notified(body)


def _framed(reply: Reply) -> bytes:
    body = msgspec.msgpack.encode(reply)
    return len(body).to_bytes(guest.HEAD, "big") + body


def _detected(body: bytes) -> None:
    for windows in (1, 2):
        try:
            found = detector.read(body, windows)
        except GuestError:
            continue
        assert len(found) == windows
        for answer in found:
            for rule in _ODDS:
                made = rule.judge(score(0, 0.5), answer)
                assert 0 <= made.p_fake <= 1
                assert math.isfinite(made.logit)
                assert type(made).decode(made.encode()) == made


def _notified(body: bytes) -> None:
    try:
        notifier.settle(body)
    except TryLater as later:
        _words(later.reason)
        _wait(later.wait_s)
    except Refused as refused:
        _words(refused.reason)
    except GuestError:
        return


def receiver(data: bytes) -> None:
    """A webhook's Retry-After."""
    _wait(retry_after(data.decode("latin-1"), 1.7e9))


def _wait(seconds: float | None) -> None:
    assert seconds is None or 0 < seconds <= LONGEST_WAIT_S


_TLS = ssl.create_default_context()  # takes longer than all the rest


@contextmanager
def _no_warnings() -> Iterator[None]:
    """urllib has one for a realm without quotes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Socket:
    """A connection on which a server says this whatever it hears; http.client writes and reads by these names."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self._said))  # type: ignore[arg-type]

    def sendall(self, data: bytes) -> None:
        assert b"elsewhere" not in data

    def nothing(self, *_: Any) -> None:
        pass

    setsockopt = settimeout = shutdown = close = nothing


def web(data: bytes) -> None:
    """HTTP answers of a camera's web server, whole: what is read of them, or a SourceError."""
    said = iter(data.split(BETWEEN))

    def connect(address: tuple[str, int], *_: Any, **__: Any) -> _Socket:
        assert address[0] == HOST
        return _Socket(next(said, b""))

    with patch("socket.create_connection", connect), patch("streamer.web._context", lambda _: _TLS), _no_warnings():
        opened = Web(f"http://viewer:{PASSWORD}@{HOST}/a.m3u8", "door", (), 5, 5, {})
        try:
            file = opened.open(f"http://{HOST}/a.m3u8", 0, {})
            for _ in range(64):
                if not file.read(4096):
                    break
            if hasattr(file, "seek"):
                file.seek(-1, io.SEEK_END)
                file.read(1)
            opened.open(data[:200].decode("latin-1"), 0, {}).close()  # as a playlist may name it
        except SourceError as error:
            _words(str(error))
        except OSError:
            pass
        finally:
            opened.close()


PEERS = {
    "publisher": publisher, "probe": probed, "device": device, "plugin": plugin, "receiver": receiver, "web": web,
}  # fmt: skip


def seeds(name: str) -> Iterator[bytes]:
    """What mutation begins with."""
    camera = OnvifCamera(HOST, http_port=80, streams={"main": f"rtsp://{HOST}:554/main", "sub": f"rtsp://{HOST}/sub"})
    if name == "publisher":
        yield CONNECT + PUBLISH
        yield PUBLISH + message(9, b"picture" * 40, time=7) + command("deleteStream", 6.0, None, 1.0)
        yield message(1, (4096).to_bytes(4)) + message(9, b"\x17\1" * 200) + b"\xc3" + message(2, (3).to_bytes(4))
        yield b"\x04\xff\xff\xff\0\0\1\x09\0\0\0\0\1\0\0\0a\x44\0\0\x28\0\0\1\x09b\xc4c"
        yield CONNECT + message(20, encode("call") + LONG)
        yield command("connect", 1.0, {"app": "live", "deep": {"a": 1.5}}) + message(
            17, b"\0\x08\0\0\0\1\0\1a\1\0\0\0\x09"
        )
    elif name == "probe":
        yield camera.match(b"<MessageID>urn:uuid:1</MessageID>")
    elif name == "device":
        asked = ("GetDeviceInformation", "GetServices", "GetProfiles", "GetStreamUri")
        said = [_http(camera.respond(one, b"<ProfileToken>main<")) for one in asked]
        yield BETWEEN.join(said)
        for at, one in enumerate(said):
            yield BETWEEN.join([*said[:at], one.replace(b"200 OK", b"401 No"), *said[at:]])
        rare = _http(b"", b"401 No").replace(b'"auth"', b'"auth-int"')
        yield BETWEEN.join([said[0], rare, rare, *said[1:]])
        camera.media = "http://["
        yield BETWEEN.join([said[0], _http(camera.respond("GetServices", b"")), *said[2:]])
        yield BETWEEN.join([said[0], _http(b"<s:Fault/>", b"500 No"), *said[1:]])
    elif name == "plugin":
        for reply in (Reply(), Reply(error="ValueError: x"),
                      [detector.Answer("scored", 2.5), detector.Answer("unsure")],
                      [detector.Answer("failed", error="x")], [["scored", 1e308]], [["scored", None], ["late", 4.0]],
                      {"outcome": "later", "reason": "x\ny", "wait_s": 2.5}, {"outcome": "refused", "reason": "x"},
                      {"outcome": "later", "wait_s": -1}):  # fmt: skip
            yield msgspec.msgpack.encode(reply)
    elif name == "receiver":
        yield from (b"120", b"Fri, 31 Dec 1999 23:59:59 GMT", b"Mon, 01 Jan 0001 00:00:00 +0000", b"\xb2", b"-1")
    elif name == "web":
        page = b"#EXTM3U\n#EXTINF:2.0,\na.ts\n" * 3
        yield _http(page)
        yield _http(page, b"401 No") + BETWEEN + _http(page, b"401 No") + BETWEEN + _http(page)
        yield _http(page, b"302 Found") + BETWEEN + _http(page)
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n#EXTM\r\n0;x\r\n\r\n"
        yield _http(page, b"401 No").replace(b'"a"', b"") + BETWEEN + _http(page)
        yield _http(page).replace(b"Length: ", b"Length: \xb2")
        yield b"http://192.0.2.8/x"


_DIGEST = b'Digest realm="a", nonce="b", qop="auth", algorithm=MD5, opaque="c"'


def _http(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), b"Accept-Ranges: bytes",
            b"Location: /b.m3u8", b"WWW-Authenticate: " + _DIGEST)  # fmt: skip
    return b"\r\n".join([*head, b"", body])
