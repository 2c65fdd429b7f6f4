"""`unmask man`: the manual page, made of the command tree; nothing of it is written twice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

END = """\
.SH FILES
.TP
.I unmask.yaml
The settings, in the current folder; \\-\\-config names another.
.SH ENVIRONMENT
.TP
.B REDIS_URL
The Redis or Valkey server in which the services meet; without it, \\fBunmask run\\fR brings its own.
.TP
.B UNMASK_SECTION__KEY
A setting, before what the file says: UNMASK_DASHBOARD__PORT=9000.
.TP
.B UNMASK_MODELS
The folder in which the face detector's file is looked for.
.TP
.B NAME_FILE
The file that holds the variable NAME: any of these, and any that a camera's url names.
.SH EXIT STATUS
0: done. 1: something failed. 2: the command line or the configuration is wrong.
"""


def _roff(text: str) -> str:
    """Text as roff takes it: backslashes and hyphens escaped, no line that begins with a request."""
    text = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^(?=[.'])", r"\\&", text)


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that is not hidden and is none of a group, with its whole name, in the order of --help."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for part in command.list_commands(None):
        if not (one := command.commands[part]).hidden:
            yield from _walk(one, f"{name} {part}".strip())


def _parameters(command: Any, name: str) -> Iterator[str]:
    """The arguments and options of a command, each as a tagged paragraph."""
    context = command.context_class(command, info_name=name)
    for typed, about in filter(None, (one.get_help_record(context) for one in command.params)):
        yield from (".TP", f"\\fB{_roff(typed)}\\fR", _roff(about))


def page(root: Any, version: str) -> str:
    """The manual page of a click command tree, as roff (man(7))."""
    lines = [f'.TH UNMASK 1 "" "unmask {_roff(version)}" "User Commands"']
    lines += [".SH NAME", f"unmask \\- {_roff(root.help)}", ".SH SYNOPSIS"]
    lines += [".B unmask", r"\fICOMMAND\fR [\fIOPTIONS\fR]", ".SH OPTIONS", *_parameters(root, "unmask")]
    lines += [".TP", r"\fB\-\-help\fR", "What a command does and takes.", ".SH COMMANDS"]
    for name, command in _walk(root, ""):
        lines += [f".SS unmask {_roff(name)}", _roff(command.help), *_parameters(command, f"unmask {name}")]
        lines += [".PP", _roff(command.epilog)]
    return "\n".join([*lines, END])
