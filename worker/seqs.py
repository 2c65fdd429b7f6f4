"""A set of window numbers as sorted ranges: a track's windows are nearly consecutive, so it stays small for days."""

from __future__ import annotations

from bisect import bisect_right

Ranges = tuple[tuple[int, int], ...]
LIMIT = 128


def contains(ranges: Ranges, number: int) -> bool:
    """Whether `number` is in the set."""
    at = bisect_right(ranges, number, key=_first)
    return at > 0 and number <= ranges[at - 1][1]


def add(ranges: Ranges, number: int) -> Ranges:
    """The set with `number`. Beyond LIMIT ranges the lowest gap is closed: what is missing there is hours old."""
    if contains(ranges, number):
        return ranges
    at = bisect_right(ranges, number, key=_first)
    first = last = number
    start = end = at
    if at > 0 and ranges[at - 1][1] == number - 1:
        start, first = at - 1, ranges[at - 1][0]
    if at < len(ranges) and ranges[at][0] == number + 1:
        end, last = at + 1, ranges[at][1]
    merged = (*ranges[:start], (first, last), *ranges[end:])
    return merged if len(merged) <= LIMIT else ((merged[0][0], merged[1][1]), *merged[2:])


def after(ranges: Ranges, number: int) -> int:
    """The first number from `number` on that is not in the set."""
    at = bisect_right(ranges, number, key=_first)
    return max(number, ranges[at - 1][1] + 1) if at else number


def _first(pair: tuple[int, int]) -> int:
    return pair[0]
