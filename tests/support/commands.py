"""The commands that README and the guides tell a reader to type: in blocks, and between backticks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SHELLS = {"sh", "bash", "shell", "console"}
OPERATORS = {"&&", "||", "|", ";", ">", ">>", "<"}
STARTS = re.compile(r"(\./)?(\.venv/bin/)?(unmask|make|pytest|python3?|docker|cp|curl|git|pip|promtool|helm)( |$)")
CHOICE = re.compile(r"\[([^\]|]*)(?:\|[^\]|]*)+\]")
ENTRY = re.compile(r"^([-*]|\d+\.) ")


class Command(NamedTuple):
    """One simple command: `words` without comments, and where it stands."""

    where: str  # path:line
    words: tuple[str, ...]
    inline: bool  # between backticks, where a reader is told of a command rather than what to type

    def __str__(self) -> str:
        return f"{self.where} {' '.join(self.words)}"


def commands(root: Path, page: Path) -> Iterator[Command]:
    """The commands of a Markdown page; what is no command of ours or of its tools is passed over."""
    name = page.relative_to(root)
    for number, text, inline in _candidates(page.read_text(encoding="utf-8").splitlines()):
        yield from (Command(f"{name}:{number}", words, inline) for words in split(text))


def scripts(page: Path) -> list[str]:
    """The fenced shell blocks of a page, whole."""
    found = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [text for language, text in found if language in SHELLS]


def _candidates(lines: list[str]) -> Iterator[tuple[int, str, bool]]:
    """Line number, text, and whether it stands between backticks. A line ended by a backslash takes the next one in."""
    fence: str | None = None
    in_list = False
    joined = ""
    for number, line in enumerate(lines, 1):
        if found := re.match(r" *```(\w*)", line):
            fence = found[1] if fence is None else None
            continue
        if line and not line.startswith(" "):
            in_list = bool(ENTRY.match(line))
        if fence in SHELLS or (fence is None and line.startswith("    ") and not in_list):
            joined += line.strip().removeprefix("$ ")
            if joined.endswith("\\"):
                joined = joined[:-1]
                continue
            if STARTS.match(joined):
                yield number, joined, False
            joined = ""
        elif fence is None:
            yield from ((number, span, True) for span in re.findall(r"`([^`]+)`", line) if STARTS.match(span))


def split(text: str) -> list[tuple[str, ...]]:
    """The simple commands of a line, without redirections, comments and variables set before them.

    Of `[--readout last|mean]`, a choice and no pipe, the first is taken.
    """
    lexer = shlex.shlex(CHOICE.sub(r"[\1]", text), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in lexer:
        if word in OPERATORS:
            found.append([word] if word in {">", ">>", "<"} else [])
        else:
            found[-1].append(word)
    return [tuple(words) for words in found if words and words[0] not in {">", ">>", "<"}]
