"""What a crashed child leaves on the pipe, and what the next one is told."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from unmask.last_words import MOST, LastWords
from wire.last_words import CRASHED, LAST_WORDS


@pytest.fixture
def words() -> Iterator[LastWords]:
    one = LastWords()
    yield one
    one.close()


def write(words: LastWords, text: str) -> None:
    os.write(int(words.environment()[LAST_WORDS]), text.encode())


def test_the_successor_is_told_once(words: LastWords) -> None:
    assert words.heard() == ""
    write(words, 'Stack:\n  File "reader.py", line 3 in _decode\n  File "blame.py", line 9 in camera:door\n')
    assert words.heard() == "door"
    assert words.environment()[CRASHED] == "door"
    assert words.heard() == ""  # another death, without a word
    assert words.environment()[CRASHED] == ""


def test_a_full_pipe_blocks_nobody(words: LastWords) -> None:
    write(words, "x" * MOST)
    with pytest.raises(BlockingIOError):
        write(words, "more")
    assert words.heard() == ""
