"""Cursors: the ids of Redis streams, `<milliseconds>-<number>`, ordered as pairs of integers."""

from __future__ import annotations

import re

Cursor = tuple[int, int]
START: Cursor = (0, 0)
_FORM = re.compile(r"(\d{1,20})-(\d{1,20})", re.ASCII)
_LARGEST = 2**64 - 1


def parse(text: str | bytes) -> Cursor:
    """The cursor in `text`; "0" stands for the beginning. Raises ValueError."""
    if isinstance(text, bytes):
        text = text.decode("ascii")
    if text == "0":
        return START
    match = _FORM.fullmatch(text)
    if match is None or max(pair := (int(match[1]), int(match[2]))) > _LARGEST:
        raise ValueError(f"{text[:48]!r} is no cursor")
    return pair


def show(cursor: Cursor) -> str:
    """The text form; `parse(show(c)) == c`."""
    return f"{cursor[0]}-{cursor[1]}"


def at_time(seconds: float) -> Cursor:
    """The least cursor of anything written at or after this Unix time."""
    return (max(0, int(seconds * 1000)), 0)
