"""Patterns mean what they mean to the standard library, at a fraction of what they cost there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from types import FrameType
from typing import Any

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


def lines(match: Callable[[str, str], bool], name: str, pattern: str) -> int:
    """Lines of Python that run to tell a name from a pattern: the same ones on a machine that is busy."""
    ran = 0

    def count(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        nonlocal ran
        ran += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        assert not match(name, pattern)
    finally:
        sys.settrace(before)
    return ran


@pytest.mark.parametrize("name", ["lobby-1-of-a-long-name", "a" * 90])
@pytest.mark.parametrize("form", ["*a", "*?", "[a-c]*", "*[!x]"])
def test_a_new_one_takes_a_fraction_of_what_a_regular_expression_does(form: str, name: str) -> None:
    pattern = f"{form * 30}{len(name)}"  # one that neither has seen
    assert lines(matches, name, pattern) < 0.1 * lines(fnmatchcase, name, pattern)
