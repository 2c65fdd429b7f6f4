"""Round trips, golden bytes, and malformed input of every message."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.messages import EXAMPLES
from wire.errors import DecodeError
from wire.messages import WHOLE_MARGIN, Evidence, Message, Review, Score, ServiceState, Snooze, Window

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_round_trip(message: Message) -> None:
    assert type(message).decode(message.encode()) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_the_bytes_are_those_of_version_1(message: Message) -> None:
    # A difference here means that services of two releases can't talk: raise VERSION, or undo it.
    assert message.encode() == (GOLDEN / f"{type(message).__name__}.v1.bin").read_bytes()


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_json_is_plain(message: Message) -> None:
    assert msgspec.json.decode(msgspec.json.encode(message))["v"] == 1


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_truncated_bytes_are_a_decode_error_that_keeps_them(message: Message) -> None:
    whole = message.encode()
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        with pytest.raises(DecodeError) as caught:
            type(message).decode(whole[:length])
        assert caught.value.data == whole[:length]


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    # A window needs eight keys: no 200 random bytes are one, and nothing but DecodeError may come of them.
    with pytest.raises(DecodeError) as caught:
        Window.decode(data)
    assert caught.value.data == data


def test_text_that_is_no_utf8_is_a_decode_error_too() -> None:
    data = EXAMPLES[1].encode().replace(b"lobby", b"l\xffbby")
    with pytest.raises(DecodeError) as caught:
        Score.decode(data)
    assert caught.value.data == data


def test_another_version_is_refused() -> None:
    score = next(message for message in EXAMPLES if isinstance(message, Score))
    with pytest.raises(DecodeError, match="version 2"):
        Score.decode(msgspec.structs.replace(score, v=2).encode())


def test_what_is_not_there_or_of_another_version_is_read_as_none() -> None:
    score = next(message for message in EXAMPLES if isinstance(message, Score))
    given = (score.encode(), None, b"", msgspec.structs.replace(score, v=2).encode())
    assert [Score.read(data) for data in given] == [score, None, None, None]


def test_a_score_without_a_shift_is_what_it_was_before_there_were_shifts() -> None:
    shifted = next(message for message in EXAMPLES if isinstance(message, Score))
    plain = msgspec.structs.replace(shifted, shift=msgspec.UNSET, opinion=msgspec.UNSET)
    before = (GOLDEN / "Score.v1-before-shift.bin").read_bytes()
    assert plain.encode() == before
    assert Score.decode(before) == plain
    assert "shift" not in msgspec.to_builtins(plain)


def test_the_sign_of_life_of_an_older_worker_is_read() -> None:
    today = next(message for message in EXAMPLES if isinstance(message, ServiceState))
    before = (GOLDEN / "ServiceState.v1-before-queue-age.bin").read_bytes()
    untold = msgspec.structs.replace(today, restarts=0, trouble="")
    assert ServiceState.decode(before) == msgspec.structs.replace(untold, queue_age=None, shed=None)
    before = (GOLDEN / "ServiceState.v1-before-restarts.bin").read_bytes()
    assert ServiceState.decode(before) == untold


@pytest.mark.parametrize("kind", [Review, Snooze])
def test_what_an_operator_decided_before_there_were_users_is_read(kind: type[Review | Snooze]) -> None:
    today = next(message for message in EXAMPLES if isinstance(message, kind))
    before = (GOLDEN / f"{kind.__name__}.v1-before-by.bin").read_bytes()
    assert kind.decode(before) == msgspec.structs.replace(today, by="")


def test_a_window_knows_its_id_and_capture_time() -> None:
    window = next(message for message in EXAMPLES if isinstance(message, Window))
    assert window.id == "lobby/1700000000000-1/3"
    assert window.captured == window.frames[-1].captured


@pytest.mark.parametrize("kind", [Window, Evidence])
def test_a_window_from_before_there_were_views_shows_the_whole_crop(kind: type[Window] | type[Evidence]) -> None:
    today = next(message for message in EXAMPLES if isinstance(message, kind))
    before = kind.decode((GOLDEN / f"{kind.__name__}.v1-before-view.bin").read_bytes())
    assert before == msgspec.structs.replace(today, margin=WHOLE_MARGIN, portrait=msgspec.UNSET)
