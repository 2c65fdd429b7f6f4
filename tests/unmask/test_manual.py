"""The manual page names every command and option, and is roff that starts no request by accident."""

from __future__ import annotations

from typer.main import get_command
from typer.testing import CliRunner

from unmask import manual
from unmask.cli import app


def test_every_command_and_option_is_in_it() -> None:
    result = CliRunner().invoke(app, ["man"])
    assert result.exit_code == 0
    text = result.stdout.replace("\\-", "-")
    for name, command in manual._walk(get_command(app), ""):
        assert f".SS unmask {name}\n" in text
        section = text.split(f".SS unmask {name}\n")[1].split("\n.SS ")[0]
        for one in command.params:
            if one.param_type_name == "option" and not one.hidden:
                assert all(given in section for given in one.opts)
    assert "unmask bench cameras" in text
    assert "unmask health" not in text, "a hidden command"


def test_text_is_no_request() -> None:
    assert manual._roff(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert manual._roff("a\\b\n'c") == "a\\eb 'c"
