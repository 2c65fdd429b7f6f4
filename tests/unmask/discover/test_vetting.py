"""Which answers are read at all."""

from __future__ import annotations

import time

import pytest

from unmask.discover.vetting import MAX_BYTES, MAX_DEPTH, MAX_ELEMENTS, Refused, plain, vetted

BOMB = (
    b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>"""
)
FILE = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>"""
ELSEWHERE = b"""<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>"""


@pytest.mark.parametrize(
    ("data", "why"),
    [(BOMB, "document type"), (FILE, "document type"), (ELSEWHERE, "document type"), (b"", "no XML"),
     (b"RTSP/1.0 200 OK", "no XML"), (b"<a><b></a>", "no XML"), ("<a/>".encode("utf-16"), "no XML"),
     (b"<a>&undeclared;</a>", "no XML"), (b"<a>" * (MAX_DEPTH + 1), "levels"),
     (b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>", "elements"), (b"<a>" + b" " * MAX_BYTES + b"</a>", "longer")],
)  # fmt: skip
def test_what_is_refused_is_so_at_once(data: bytes, why: str) -> None:
    began = time.monotonic()
    with pytest.raises(Refused, match=why):
        vetted(data)
    assert time.monotonic() - began < 10


def test_an_answer_of_a_camera_is_passed_on_as_it_is() -> None:
    text = '<?xml version="1.0" encoding="UTF-8"?><s:a xmlns:s="x"><s:b c="é">d &amp; e</s:b></s:a>'
    assert vetted(text.encode()) == text


def test_it_is_read_as_what_was_looked_at() -> None:
    """A document that calls itself something else could be one to the look and another to the parser."""
    hidden = '<?xml version="1.0" encoding="utf-7"?><a>+ADw-b/+AD4-</a>'
    assert "<b" not in vetted(hidden.encode())


def test_no_word_of_a_camera_moves_the_cursor() -> None:
    assert plain("a\x1b[2Jb\r\nc\u202ed\u2028e" + "x" * 500, 20) == "a [2Jb c d exxxxxxxx"
