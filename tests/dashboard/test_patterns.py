"""Patterns mean what they mean to the standard library, at a fraction of what they cost there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dashboard.patterns import matches

FEW = "ab-]![^*?\\\n"


@given(st.text(FEW, max_size=8), st.text(FEW, max_size=8))
@example("a", "[!]")
@example("a", "[]")
@example("]", "[]]")
@example("a", "[b-a]")
@example("a", "[!b-a]")
@example("-", "[a-]")
@example("b", "[a-b-c]")
@example("^", "[^a]")
@example("aab", "*a?b")
@example("ab", "a*b*b")
def test_they_mean_what_they_mean_elsewhere(name: str, pattern: str) -> None:
    assert matches(name, pattern) == fnmatchcase(name, pattern)


@pytest.mark.parametrize(
    ("name", "pattern", "found"),
    [
        ("lobby-1", "lobby-*", True), ("lobby", "lobby-*", False), ("door", "door", True), ("door", "Door", False),
        ("door", "d??r", True), ("door", "*", True), ("door-7", "door-[0-9]", True), ("door-x", "door-[!0-9]", True),
    ],
)  # fmt: skip
def test_examples(name: str, pattern: str, found: bool) -> None:
    assert matches(name, pattern) == found


def took(match: Callable[[str, str], bool], patterns: list[str]) -> float:
    """Seconds of this thread's processor, which others do not add to."""
    began = time.thread_time()
    assert not any(match("lobby-1-of-a-long-name", pattern) for pattern in patterns)
    return time.thread_time() - began


@pytest.mark.parametrize("form", ["*a", "*?", "[a-c]*", "*[!x]"])
def test_thousands_of_new_ones_take_a_fraction_of_what_regular_expressions_do(form: str) -> None:
    ratios = []
    for turn in range(3):
        patterns = [f"{form * 30}{turn}{number:04}" for number in range(1024)]
        ratios.append(took(matches, patterns) / took(fnmatchcase, patterns))
    assert statistics.median(ratios) < 0.5  # 0.2 at most was measured
