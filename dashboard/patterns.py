"""Names against patterns that a client asks for: what `fnmatch.fnmatchcase` finds, for next to nothing.

That makes a regular expression of each pattern, which takes half a millisecond and is kept by the ten thousand: a few
thousand patterns, asked for at once, would hold up everybody else for seconds. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

_Range = tuple[str, str]
_Class = tuple[bool, tuple[_Range, ...]]  # whether it is negated, and what is in it
_One = str | _Class  # what one character is to be; "?" is any
_SPECIAL = frozenset("*?[")


def matches(name: str, pattern: str) -> bool:
    """Whether the whole name fits a pattern of `*`, `?`, `[a-z]` and `[!a-z]`."""
    if _SPECIAL.isdisjoint(pattern):
        return name == pattern
    if "[" not in pattern and len(pattern) - pattern.count("*") > len(name):
        return False
    head, *rest = _pieces(pattern)
    if not _fits(name, 0, head):
        return False
    if not rest:
        return len(name) == len(head)
    at, tail = len(head), rest.pop()
    for piece in rest:  # each as early as it fits: what follows has the most room then
        last = len(name) - len(piece)
        while at <= last and not _fits(name, at, piece):
            at += 1
        if at > last:
            return False
        at += len(piece)
    return at <= len(name) - len(tail) and _fits(name, len(name) - len(tail), tail)


def _fits(name: str, at: int, piece: Sequence[_One]) -> bool:
    """Whether the piece fits what stands in the name at a place."""
    return at + len(piece) <= len(name) and all(
        _is(letter, one) for letter, one in zip(name[at : at + len(piece)], piece, strict=True)
    )


def _is(letter: str, one: _One) -> bool:
    if isinstance(one, str):
        return one in ("", letter)
    negated, ranges = one
    return negated != any(first <= letter <= last for first, last in ranges)


@lru_cache(maxsize=4096)
def _pieces(pattern: str) -> tuple[tuple[_One, ...], ...]:
    """What stands between the stars; "" stands for a question mark."""
    pieces: list[list[_One]] = [[]]
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        end = _end(pattern, at) if letter == "[" else -1
        if letter == "*":
            pieces.append([])
        elif end > 0:
            pieces[-1].append(_class(pattern[at + 1 : end]))
            at = end
        else:
            pieces[-1].append("" if letter == "?" else letter)
        at += 1
    return tuple(tuple(piece) for piece in pieces)


def _end(pattern: str, at: int) -> int:
    """Where the class that opens here is closed; -1: it is not, and the bracket stands for itself."""
    first = at + 2 if pattern.startswith("!", at + 1) else at + 1
    return pattern.find("]", first + 1)  # one that comes first belongs to the class


def _class(text: str) -> _Class:
    negated = text.startswith("!")
    text, at, ranges = text[negated:], 0, []
    while at < len(text):
        wide = at + 2 < len(text) and text[at + 1] == "-"
        ranges.append((text[at], text[at + 2] if wide else text[at]))
        at += 3 if wide else 1
    return negated, tuple(ranges)
