"""HTTP and WebSocket by hand, for what no client library would send."""

from __future__ import annotations

import socket
import struct
from contextlib import closing, suppress

UPGRADE = (
    b"GET /ws/v1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
)


def connect(port: int, timeout_s: float = 15.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout_s)


def rest(peer: socket.socket, most: int = 10_000_000) -> bytes:
    """All that still comes, until the other side closes."""
    got = bytearray()
    try:
        while len(got) < most and (data := peer.recv(65536)):
            got += data
    except ConnectionError:
        pass
    return bytes(got)


def say(port: int, text: bytes, timeout_s: float = 15.0) -> bytes:
    """All that is answered to `text`, up to the end of the connection."""
    with closing(connect(port, timeout_s)) as peer:
        with suppress(ConnectionError):
            peer.sendall(text)
        return rest(peer)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def head(path: str = "/healthz", *more: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *more, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def frame(payload: bytes, opcode: int = 1, fin: bool = True, rsv1: bool = False) -> bytes:
    """A client's frame (RFC 6455, 5.2)."""
    first = (fin << 7) | (rsv1 << 6) | opcode
    size = len(payload)
    if size < 126:
        length = bytes([128 | size])
    elif size < 65536:
        length = struct.pack("!BH", 128 | 126, size)
    else:
        length = struct.pack("!BQ", 128 | 127, size)
    return bytes([first]) + length + b"\0\0\0\0" + payload  # a mask of zeros


def upgraded(port: int, *more: str) -> tuple[socket.socket, bytes]:
    """An open WebSocket and the head of the answer."""
    peer = connect(port)
    peer.sendall(UPGRADE + "".join(f"{line}\r\n" for line in more).encode() + b"\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        got += peer.recv(4096) or b"\r\n\r\n"
    return peer, got


def close_code(data: bytes) -> int | None:
    """The code of the close frame at the end of what a server sent."""
    place = data.rfind(b"\x88")
    return struct.unpack("!H", data[place + 2 : place + 4])[0] if place >= 0 and len(data) >= place + 4 else None
