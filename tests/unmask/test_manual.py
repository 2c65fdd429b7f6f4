"""The manual page, printed and kept, says what the command line takes; its examples are command lines."""

from __future__ import annotations

import itertools
import re
import shlex
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from unmask import manual
from unmask.cli import app

KEPT = Path(__file__).parents[2] / "unmask" / "unmask.1"
COMMANDS = dict(manual._walk(get_command(app), ""))


@pytest.fixture(params=["printed", "kept"])
def page(request: pytest.FixtureRequest) -> str:
    """The page as `unmask man` prints it, and as the wheel brings it."""
    return CliRunner().invoke(app, ["man"]).stdout if request.param == "printed" else KEPT.read_text(encoding="utf-8")


def test_it_says_of_every_command_what_the_command_says(page: str) -> None:
    parts = page.split("\n.SH FILES\n")[0].replace("\\-", "-").split("\n.SS unmask ")
    sections = {name: text for name, _, text in (part.partition("\n") for part in parts[1:])}
    assert list(sections) == list(COMMANDS), "run: unmask man > unmask/unmask.1"
    assert f'"unmask {version("unmask")}"' in parts[0]
    for name, command in COMMANDS.items():
        options = [one for one in command.params if one.param_type_name == "option"]
        texts = [command.help, command.epilog, *(one.help for one in command.params)]
        assert not [text for text in texts if manual._roff(text).replace("\\-", "-") not in sections[name]]
        named = re.findall(r"(?<!\w)--?[a-z][\w-]*", " ".join(re.findall(r"\\fB(-.*?)\\fR", sections[name])))
        assert set(named) == {given for one in options for given in (*one.opts, *one.secondary_opts)}, name


@pytest.mark.parametrize("name", COMMANDS)
def test_its_example_is_a_command_line(name: str) -> None:
    example = COMMANDS[name].epilog
    words = itertools.dropwhile(lambda word: "=" in word, shlex.split(example.removeprefix("Example: ")))
    typed = list(itertools.takewhile(lambda word: word not in ("|", ">"), words))
    command = ["unmask", *name.split()]
    assert typed[: len(command)] == command
    COMMANDS[name].make_context(name, typed[len(command) :])  # raises for what it does not take


def test_text_is_no_request() -> None:
    assert manual._roff(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert manual._roff("a\\b\n'c") == "a\\eb 'c"
