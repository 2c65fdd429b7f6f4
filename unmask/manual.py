"""`unmask man`: the manual page, made of the command tree; nothing of it is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click


def _roff(text: str) -> str:
    """Text as roff takes it: backslashes and hyphens escaped, no line that begins with a request."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text)


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden and is none of a group, with its whole name."""
    for part, one in getattr(command, "commands", {}).items():
        if not one.hidden:
            yield from _walk(one, f"{name} {part}".strip())
    if not hasattr(command, "commands"):
        yield name, command


def page(root: Any, version: str) -> str:
    """The manual page of a click command tree, as roff (man(7))."""
    lines = [f'.TH UNMASK 1 "" "unmask {_roff(version)}"', ".SH NAME", f"unmask \\- {_roff(root.help)}", ".SH SYNOPSIS"]
    lines += [".B unmask", r"\fICOMMAND\fR [\fIOPTIONS\fR]", ".SH COMMANDS"]
    for name, command in _walk(root, ""):
        lines += [f".SS unmask {_roff(name)}", _roff(command.help or "")]
        context = click.Context(command, info_name=f"unmask {name}")
        for record in filter(None, (one.get_help_record(context) for one in command.params)):
            typed, about = map(_roff, record)
            lines += [".TP", f"\\fB{typed}\\fR", about or "See above."]
    lines += [".SH EXIT STATUS", "0: done. 1: something failed. 2: the command line or the configuration is wrong."]
    return "\n".join([*lines, ""])
