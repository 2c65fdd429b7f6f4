"""What `unmask check` and `unmask doctor` have to say of one part of the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wire.errors import UnmaskError
from wire.redact import redact

State = Literal["ok", "warning", "failed"]
SHOWN: dict[State, str] = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failed": "[bold red]failed[/]"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the page; `facts` are the same for programs. Never holds credentials."""

    part: str
    state: State
    details: str
    remedy: str = ""  # in an imperative, empty when nothing is to be done
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return asdict(self)


def failure(part: str, error: UnmaskError) -> Finding:
    """An error as a finding."""
    return Finding(part, "failed", redact(error.cause), redact(error.remedy), {"error": type(error).__name__})
