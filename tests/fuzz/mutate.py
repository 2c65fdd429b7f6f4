"""Changes to inputs, and the folder of inputs that once reached something new."""

from __future__ import annotations

import base64
import random
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
TOKENS = (
    b"\xff", b"\x00", b"\xc1", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff",
    b"\xcb\x7f\xf8", b"\xed\xa0\x80", b"\xe2\x80\xa8", b"{", b"}", b"[", b"]", b'"', b"'", b":", b"://", b"@", b"#",
    b"?key=", b"&token=", b"%00", b"%2e%2e", b"../", b"\r\n", b"\t", b" ", b"-", b"0", b"-1", b"1e999", b"NaN",
    b"9" * 40, b"9" * 5000, b"null", b"true", b"__proto__", b"!!python/object/apply:os.system", b"!!binary ",
    b"&a ", b"*a", b"<<: ", b"2001-99-99", b"~x/", b"[" * 2000, b"{a: " * 500, b"\\u0000", b"\\ud800", b"file://[",
    b"rtsp://", b"\xf0\x9f\x98\x80",
)  # fmt: skip
LONGEST = 64 * 1024


def mutated(source: random.Random, pool: list[bytes]) -> bytes:
    """One of `pool`, changed in one to six places."""
    data = bytearray(source.choice(pool))
    for _ in range(source.choice((1, 1, 2, 3, 6))):
        change = source.randrange(7)
        at = source.randrange(len(data) + 1)
        to = min(len(data), at + source.choice((1, 1, 2, 4, 16, 64)))
        if change == 0 and data:
            data[at % len(data)] ^= 1 << source.randrange(8)
        elif change == 1:
            data[at:to] = b""
        elif change == 2:
            data[at:at] = source.choice(TOKENS)
        elif change == 3:
            data[at:to] = source.randbytes(to - at)
        elif change == 4:
            data[at:at] = data[at:to] * source.choice((1, 2, 40))
        elif change == 5:
            data[at:to] = source.choice(TOKENS)
        else:
            other = source.choice(pool)
            begin = source.randrange(len(other) + 1)
            data[at:] = other[begin : begin + 4096]
    return bytes(data[:LONGEST])


def kept(name: str) -> list[bytes]:
    """The corpus of a target: one input a line, in base64."""
    path = FOLDER / f"{name}.txt"
    return [base64.b64decode(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(name: str, inputs: list[bytes]) -> None:
    """Write it, shortest first."""
    lines = [base64.b64encode(data).decode() for data in sorted(set(inputs), key=lambda one: (len(one), one))]
    (FOLDER / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))
