from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.rtmp import FLV_HEAD, HANDSHAKE, MAX_BEFORE, MAX_MESSAGE, Refused, Session, decode, encode

HELLO = b"\3" + bytes(2 * HANDSHAKE)  # C0, C1 and, since nothing of ours is needed for it, C2


def message(kind: int, data: bytes, time: int = 0, chunk: int = 128, channel: int = 3) -> bytes:
    """One message as a publisher sends it, in chunks."""
    head = bytes([channel]) + time.to_bytes(3) + len(data).to_bytes(3) + bytes([kind]) + bytes(4)
    parts = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    return head + bytes([0xC0 | channel]).join(parts)


def command(*values: object) -> bytes:
    return message(20, b"".join(map(encode, values)))


CONNECT = command("connect", 1.0, {"app": "live", "tcUrl": "rtmp://127.0.0.1/live", "flashVer": "x" * 150})
PUBLISH = command("createStream", 4.0, None) + command("publish", 5.0, None, "s3cret-key", "live")
LONG = b"\x0c" + (22_000).to_bytes(4) + b"\xff" * 22_000  # a text that is three times as long once it is read
BEGUN = HELLO + CONNECT + PUBLISH


def session() -> Session:
    return Session("live", "s3cret-key")


def test_a_publisher_with_the_key_is_let_in_and_its_video_becomes_flv() -> None:
    one = session()
    assert one.receive(BEGUN) == FLV_HEAD
    assert one.published
    answers = one.answers()
    assert answers[0] == 3
    assert answers[1 + HANDSHAKE :].startswith(HELLO[1 : 1 + HANDSHAKE])
    assert b"NetConnection.Connect.Success" in answers
    assert b"NetStream.Publish.Start" in answers
    tag = one.receive(message(8, b"sound") + message(9, b"picture" * 40, time=0x123456, channel=4))
    assert tag == b"\x09" + (280).to_bytes(3) + b"\x12\x34\x56\0\0\0\0" + b"picture" * 40 + struct.pack(">I", 291)
    assert not one.ended
    one.receive(command("deleteStream", 6.0, None, 1.0))
    assert one.ended


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "does not speak RTMP"),
        (HELLO + PUBLISH, "does not connect first"),
        (HELLO + command("connect", 1.0, {"app": "other"}), "another application"),
        (HELLO + CONNECT + command("publish", 5.0, None, "s3cret-keY"), "stream key is wrong"),
        (HELLO + CONNECT + command("publish", 5.0, None, {}), "stream key is wrong"),
        (HELLO + CONNECT + command("publish", 5.0), "broken command"),
        (HELLO + CONNECT + command("play", 5.0, None, "s3cret-key"), "wants to play"),
        (HELLO + message(20, b"\2\xff\xffx"), "broken command"),
        (HELLO + command("connect", "1", {"app": "live"}), "broken command"),
        (HELLO + CONNECT + message(20, encode("call") + LONG), "broken command"),
        (HELLO + message(20, b"\3\0\1a" * 40), "broken command"),  # objects within objects
        (HELLO + b"\3" + bytes(3) + (MAX_MESSAGE + 1).to_bytes(3) + b"\x09" + bytes(4), "too large"),
        (HELLO + b"".join(bytes([channel]) + bytes(11) for channel in range(3, 40)), "too many chunk streams"),
        (HELLO + bytes(MAX_BEFORE), "does not publish"),
        (BEGUN + PUBLISH, "publishes twice"),
    ],
)
def test_who_is_not_let_in(sent: bytes, why: str) -> None:
    one = session()
    with pytest.raises(Refused, match=why) as caught:
        one.receive(sent)
    assert "s3cret" not in str(caught.value)
    assert b"Publish.Start" not in one.answers() or sent.startswith(BEGUN)


@given(st.lists(st.integers(1, len(BEGUN)), max_size=30))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int]) -> None:
    whole, one = BEGUN + message(9, b"x" * 500, time=7), session()
    made = b""
    for begin, end in zip(sorted([0, *cuts]), [*sorted(cuts), len(whole)], strict=True):
        made += one.receive(whole[begin:end])
    at_once = session()
    assert made == at_once.receive(whole)
    assert one.published


@given(st.binary(max_size=400))
def test_noise_is_refused_or_waited_on_and_nothing_else(noise: bytes) -> None:
    for before in (b"", HELLO, HELLO + CONNECT, BEGUN):
        one = session()
        one.receive(before)
        try:
            one.receive(noise)
        except Refused:
            continue


def test_times_go_on_by_their_differences_and_beyond_three_bytes() -> None:
    one = session()
    one.receive(BEGUN)
    first = b"\x04\xff\xff\xff" + (1).to_bytes(3) + b"\x09" + bytes(4) + (0x01000000).to_bytes(4) + b"a"
    second = b"\x44" + (40).to_bytes(3) + (1).to_bytes(3) + b"\x09" + b"b"
    third = b"\xc4c"
    flv = one.receive(first + second + third)
    times = [flv[at + 7 : at + 8] + flv[at + 4 : at + 7] for at in range(0, len(flv), 16)]
    assert [int.from_bytes(time) for time in times] == [0x01000000, 0x01000028, 0x01000050]


def test_a_long_stay_is_acknowledged_and_chunks_grow() -> None:
    one = session()
    one.receive(BEGUN + message(1, (1 << 20).to_bytes(4)))
    one.answers()
    assert len(one.receive(message(9, bytes(2_000_000), chunk=1 << 20))) == 2_000_015
    assert one.answers()[7] == 3  # an acknowledgement


def test_values() -> None:
    values = ["publish", 5.0, None, {"app": "live", "deep": {"a": 1.5}}]
    assert decode(b"".join(map(encode, values))) == values
    assert decode(b"\1\1\6" + b"\x08\0\0\0\1\0\1a\1\0\0\0\x09" + b"\x0c\0\0\0\2ab") == [True, None, {"a": False}, "ab"]
