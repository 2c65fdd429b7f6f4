from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import cursors, protocol
from dashboard.protocol import BadMessage, Subscribe, decode_client, decode_server, encode, for_subscription
from tests.dashboard.feed import alert_event


def test_subscribe_with_its_defaults() -> None:
    ask = decode_client('{"type":"subscribe","id":"x"}')
    assert ask == Subscribe(id="x", topics=("alerts",))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "malformed"),
        ("not json", "malformed"),
        ("[]", "malformed"),
        ("null", "malformed"),
        ('{"type":"subscribe"}', "malformed"),
        ('{"type":"subscribe","id":""}', "malformed"),
        ('{"type":"subscribe","id":"x","topics":["all"]}', "malformed"),
        ('{"type":"subscribe","id":"x","camera":["door"]}', "malformed"),
        ('{"type":"subscribe","id":"x","severities":["high"]}', "malformed"),
        ('{"type":"launch"}', "unknown-type"),
        ('{"type":7}', "unknown-type"),
        ('{"id":"x"}', "malformed"),
        ("[" * 5000, "malformed"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_what_is_wrong_is_typed_and_one_line(text: str | bytes, code: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    assert caught.value.code == code
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('{"type":"subscribe","id":"x","camera":["door"]}', "id, topics, cameras, kinds, severities, events, since"),
        ('{"type":"subscribe","id":"x","topics":["alert"]}', "alerts, scores, cameras"),
        ('{"type":"subscribe","id":"x","severities":["warning","high"]}', "warning, critical"),
        ('{"type":"hello","version":1,"password":"x"}', "version, token"),
        ('{"type":"launch"}', "hello, subscribe, unsubscribe, ping"),
    ],
)
def test_what_is_unknown_is_answered_with_what_is_known(text: str, known: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_client(text)
    assert sorted(caught.value.message.partition("; known here: ")[2].split(", ")) == sorted(known.split(", "))


@pytest.mark.parametrize(
    ("text", "id"),
    [
        ('{"type":"subscribe","id":"x","camera":1}', "x"),
        ('{"type":"launch","id":"x"}', "x"),
        ('{"type":"subscribe","id":7}', ""),
        ('{"type":"subscribe","id":"' + 65 * "x" + '"}', ""),
        ('{"type":7,"id":"x"}', ""),
        ('{"id":"x"', ""),
        ("[" * 5000, ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_id_of_a_message_that_is_wrong(text: str | bytes, id: str) -> None:
    assert protocol.id_of(text) == id


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_bad_message(data: bytes) -> None:
    try:
        message = decode_client(data)
    except BadMessage:
        return
    assert decode_client(encode(message)) == message


@given(st.text(max_size=64))
def test_a_text_made_once_is_addressed_to_any_subscription(sub: str) -> None:
    event = alert_event(camera='"sub":""')
    message = protocol.AlertMessage(event="new", cursor="1-2", at=event.at, alert=event.alert)
    text = for_subscription(encode(message), sub)
    assert decode_server(text) == msgspec.structs.replace(message, sub=sub)
    assert json.loads(text)["type"] == "alert"


def test_types_a_newer_server_sends_are_passed_over() -> None:
    assert decode_server('{"type":"weather","rain":true}') is None
    assert decode_server('{"type":"pong","id":"","at":1,"extra":[1]}') == protocol.Pong(id="", at=1.0)
    with pytest.raises(msgspec.ValidationError):
        decode_server('{"type":"pong","id":7}')


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_cursors_survive_their_text(first: int, second: int) -> None:
    assert cursors.parse(cursors.show((first, second))) == (first, second)


@pytest.mark.parametrize("text", ["", "x", "1", "1-", "-1", "1-2-3", " 1-2", "1-2\n", "١-٢", f"{2**64}-0", "$", "+"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        cursors.parse(text)


def test_cursors_are_ordered_as_numbers() -> None:
    assert cursors.parse("9-1") < cursors.parse("10-0") < cursors.parse("10-2") < cursors.parse("10-10")


def test_what_is_nested_without_end_is_no_message() -> None:
    with pytest.raises(msgspec.DecodeError):
        protocol.decode_server('{"type":' + "[" * 5000)
    with pytest.raises(protocol.BadMessage):
        protocol.decode_client('{"type":' + "[" * 5000)
