"""The server's side of RTMP, as far as one publisher needs it. Pure: bytes in, FLV and answers out.

After Adobe's "Real-Time Messaging Protocol 1.0" (2012) and "Action Message Format - AMF 0". FFmpeg can listen itself,
but lets in whoever publishes under any key. Kept is the video alone: nothing here looks at sound or metadata.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

VERSION, HANDSHAKE = 3, 1536
CHUNK, OUR_CHUNK = 128, 4096  # of a message: at first, and as we send them from `connect` on
WINDOW = 2_500_000  # bytes after which each side says how much it got
MAX_MESSAGE = 8 << 20  # a key frame of 4K at a high rate has 2 MB
MAX_BEFORE = 64 << 10  # until it has published; OBS needs 4 KB
MAX_STREAMS = 32  # chunk streams; OBS uses four
MAX_DEPTH, MAX_VALUES = 4, 256
SET_CHUNK, ABORT, ACK, CONTROL, SET_WINDOW, SET_BANDWIDTH = 1, 2, 3, 4, 5, 6  # message types
VIDEO, COMMAND_3, COMMAND = 9, 17, 20
HEADS = (11, 7, 3, 0)  # bytes of a chunk's message header, by its format
EXTENDED = 0xFFFFFF
FLV_HEAD = b"FLV\1\1\0\0\0\x09\0\0\0\0"  # video only
LEAVING = ("FCUnpublish", "deleteStream", "closeStream")


class Refused(Exception):
    """This peer is not let in, or no longer; the text says why and quotes nothing of what it sent."""


@dataclass(slots=True)
class _Stream:
    """One chunk stream: the last header, and the message under way."""

    time: int = 0
    field: int = 0  # the header's timestamp or delta
    length: int = 0
    type: int = 0
    extended: bool = False
    got: bytearray | None = None


class Session:
    """One connection. `published` once the peer has shown the key, `ended` when it has said that it leaves."""

    def __init__(self, app: str, key: str) -> None:
        self.published = self.ended = False
        self._app, self._key = app, key.encode()
        self._in, self._out, self._flv = bytearray(), bytearray(), bytearray()
        self._streams: dict[int, _Stream] = {}
        self._chunk, self._got, self._acknowledged = CHUNK, 0, 0
        self._connected = False
        self._parser = self._run()
        next(self._parser)

    def receive(self, data: bytes) -> bytes:
        """Take what the peer sent; the FLV that it makes. Raises Refused, after which `answers` may hold last words."""
        self._in += data
        self._got += len(data)
        if not self.published and self._got > MAX_BEFORE:
            raise Refused("it talks and does not publish")
        self._parser.send(None)
        if self._got - self._acknowledged > WINDOW // 2:
            self._acknowledged = self._got
            self._send(2, ACK, 0, struct.pack(">I", self._got & 0xFFFFFFFF))
        flv, self._flv = bytes(self._flv), bytearray()
        return flv

    def answers(self) -> bytes:
        """What is to be sent to the peer now."""
        out, self._out = bytes(self._out), bytearray()
        return out

    def _run(self) -> Generator[None, None, None]:
        if (yield from self._take(1))[0] != VERSION:
            raise Refused("it does not speak RTMP")
        theirs = yield from self._take(HANDSHAKE)
        self._out += bytes([VERSION]) + bytes(8) + os.urandom(HANDSHAKE - 8) + theirs
        yield from self._take(HANDSHAKE)
        while True:
            yield from self._next_chunk()

    def _take(self, count: int) -> Generator[None, None, bytes]:
        while len(self._in) < count:
            yield
        taken = bytes(self._in[:count])
        del self._in[:count]
        return taken

    def _next_chunk(self) -> Generator[None, None, None]:
        first = (yield from self._take(1))[0]
        form, number = first >> 6, first & 63
        if number < 2:
            more = yield from self._take(number + 1)
            number = 64 + int.from_bytes(more, "little")
        if number not in self._streams and len(self._streams) >= MAX_STREAMS:
            raise Refused("it uses too many chunk streams")
        stream = self._streams.setdefault(number, _Stream())
        head = yield from self._take(HEADS[form])
        if form < 3:
            stream.field = int.from_bytes(head[:3])
            stream.extended, stream.got = stream.field == EXTENDED, None
        if form < 2:
            stream.length, stream.type = int.from_bytes(head[3:6]), head[6]
        if stream.extended:
            stream.field = int.from_bytes((yield from self._take(4)))
        if stream.got is None:
            stream.got = bytearray()
            stream.time = stream.field if form == 0 else (stream.time + stream.field) & 0xFFFFFFFF
        if stream.length > MAX_MESSAGE:
            raise Refused("it sends too large a message")
        stream.got += yield from self._take(min(self._chunk, stream.length - len(stream.got)))
        if len(stream.got) >= stream.length:
            message, stream.got = bytes(stream.got), None
            self._message(stream, message)

    def _message(self, stream: _Stream, data: bytes) -> None:
        if stream.type == VIDEO and self.published:
            clock = stream.time & 0xFFFFFFFF
            head = (
                bytes([VIDEO]) + len(data).to_bytes(3) + (clock & 0xFFFFFF).to_bytes(3) + bytes([clock >> 24, 0, 0, 0])
            )
            self._flv += head + data + struct.pack(">I", len(head) + len(data))
        elif stream.type == SET_CHUNK and len(data) >= 4:
            self._chunk = min(max(1, int.from_bytes(data[:4]) & 0x7FFFFFFF), MAX_MESSAGE)
        elif stream.type == ABORT and len(data) >= 4 and (given_up := self._streams.get(int.from_bytes(data[:4]))):
            given_up.got = None
        elif stream.type in (COMMAND, COMMAND_3):
            try:
                self._command(*decode(data[stream.type == COMMAND_3 :]))
            except (ValueError, IndexError, struct.error, TypeError):
                raise Refused("it sends a broken command") from None

    def _command(self, name: object, number: object = 0.0, about: object = None, *rest: object) -> None:
        if not isinstance(number, float):  # it goes back in the answer
            raise ValueError("no transaction number")
        if name == "connect":
            self._connect(number, about)
        elif not self._connected:
            raise Refused("it does not connect first")
        elif name == "createStream":
            self._call("_result", number, None, 1.0)
        elif name == "publish":
            self._publish(rest[0])
        elif name in LEAVING and self.published:
            self.ended = True
        elif name in ("play", "play2"):
            raise Refused("it wants to play, and there is nothing to play")
        elif number and not self.published:
            self._call("_result", number, None, None)

    def _connect(self, number: object, about: object) -> None:
        if not isinstance(about, dict) or str(about.get("app", "")).strip("/") != self._app:
            raise Refused("it names another application")
        self._connected = True
        self._send(2, SET_WINDOW, 0, struct.pack(">I", WINDOW))
        self._send(2, SET_BANDWIDTH, 0, struct.pack(">IB", WINDOW, 2))
        self._send(2, SET_CHUNK, 0, struct.pack(">I", OUR_CHUNK))
        success = {"level": "status", "code": "NetConnection.Connect.Success", "objectEncoding": 0.0}
        self._call("_result", number, {"fmsVer": "FMS/3,0,1,123", "capabilities": 31.0}, success)

    def _publish(self, key: object) -> None:
        if self.published:
            raise Refused("it publishes twice")
        if not isinstance(key, str) or not hmac.compare_digest(key.encode(), self._key):
            self._status("error", "NetStream.Publish.BadName")
            raise Refused("its stream key is wrong")
        self.published = True
        self._flv += FLV_HEAD
        self._send(2, CONTROL, 0, struct.pack(">HI", 0, 1))  # the stream begins
        self._status("status", "NetStream.Publish.Start")

    def _status(self, level: str, code: str) -> None:
        self._call("onStatus", 0.0, None, {"level": level, "code": code, "description": code}, stream=1)

    def _call(self, *values: object, stream: int = 0) -> None:
        self._send(3, COMMAND, stream, b"".join(map(encode, values)))

    def _send(self, channel: int, kind: int, stream: int, data: bytes) -> None:
        """One message. Only those after SET_CHUNK are longer than CHUNK."""
        self._out += bytes([channel]) + bytes(3) + len(data).to_bytes(3) + bytes([kind]) + stream.to_bytes(4, "little")
        for at in range(0, len(data), OUR_CHUNK):
            self._out += (bytes([0xC0 | channel]) if at else b"") + data[at : at + OUR_CHUNK]


def encode(value: object) -> bytes:
    """A value as AMF 0: str, float, None, and dict of these."""
    if isinstance(value, str):
        return b"\2" + _text(value)
    if isinstance(value, dict):
        return b"\3" + b"".join(_text(str(name)) + encode(one) for name, one in value.items()) + b"\0\0\x09"
    return b"\5" if value is None else struct.pack(">Bd", 0, value)


def decode(data: bytes) -> list[Any]:
    """All values of a command. Raises ValueError, IndexError or struct.error for what is none."""
    values, at = [], 0
    while at < len(data):
        value, at = _value(data, at, 0)
        values.append(value)
        if len(values) > MAX_VALUES:
            raise ValueError("too many values")
    return values


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind, at = data[at], at + 1
    if kind == 0:
        return struct.unpack_from(">d", data, at)[0], at + 8
    if kind == 1:
        return bool(data[at]), at + 1
    if kind in (2, 12):  # a string, a long one
        return _string(data, at, 2 if kind == 2 else 4)
    if kind in (5, 6):  # null, undefined
        return None, at
    if kind in (3, 8) and depth < MAX_DEPTH:  # an object, an array with names
        return _object(data, at + (4 if kind == 8 else 0), depth + 1)
    raise ValueError("a value of a kind that no publisher needs")


def _object(data: bytes, at: int, depth: int) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    while data[at : at + 3] != b"\0\0\x09":
        name, at = _string(data, at, 2)
        found[name], at = _value(data, at, depth)
        if len(found) > MAX_VALUES:
            raise ValueError("too many values")
    return found, at + 3


def _string(data: bytes, at: int, size: int) -> tuple[str, int]:
    begin = at + size
    end = begin + int.from_bytes(data[at:begin])
    if end > len(data):
        raise ValueError("cut off")
    return data[begin:end].decode(errors="replace"), end


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2) + raw
