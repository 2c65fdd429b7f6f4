"""What the faults did, gathered over the session and written once at its end as `faults.json`.

`{"form": "short" | "long", "faults": [{"name", "accounted", "alerts_lost", "alerts_doubled", "recovery_s", ...}]}`
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

LONG = os.environ.get("UNMASK_FAULTS") == "long"  # `make faults`: more repetitions, the longest pauses
FOLDER = Path(__file__).parents[2] / "tests-report"  # git ignores it
PATH = Path(os.environ.get("UNMASK_FAULTS_REPORT") or FOLDER / "faults.json")

Plain = str | int | float | bool | None


def pick(short: Any, long: Any) -> Any:
    """The value for the form that runs."""
    return long if LONG else short


class Report:
    """One entry for each fault that was injected and survived: a test adds it after its last assertion."""

    def __init__(self, path: Path = PATH) -> None:
        self.path = path
        self.faults: list[dict[str, Plain]] = []

    def add(
        self,
        *,
        name: str,
        accounted: float,
        alerts_lost: int,
        alerts_doubled: int,
        recovery_s: float | None,
        **more: Plain,
    ) -> None:
        """Note a fault. `accounted`: share of the windows made whose outcome is known, 1.0 when all add up;
        `recovery_s`: from the end of the fault (or the kill) until what broke worked again, None where nothing did.

        Raises ValueError for a name that was taken.
        """
        if any(fault["name"] == name for fault in self.faults):
            raise ValueError(f"two faults are called {name!r}")
        figures: dict[str, Plain] = {"accounted": accounted, "recovery_s": recovery_s, **more}
        figures |= {"alerts_lost": alerts_lost, "alerts_doubled": alerts_doubled}
        self.faults.append({"name": name, **{key: _rounded(value) for key, value in sorted(figures.items())}})

    def write(self) -> None:
        """The file, replaced whole; nothing where no fault ran."""
        if self.faults:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            form = "long" if LONG else "short"
            self.path.write_text(json.dumps({"form": form, "faults": self.faults}, indent=1) + "\n")

    def lines(self) -> list[str]:
        """For people: a line for each fault."""
        return [
            f"{fault['name']:<36} accounted {fault['accounted']}, alerts lost {fault['alerts_lost']}, "
            f"doubled {fault['alerts_doubled']}, recovery {_seconds(fault['recovery_s'])}"
            for fault in self.faults
        ]


def _rounded(value: Plain) -> Plain:
    """To milliseconds, but a share that is not whole stays so."""
    if isinstance(value, float) and not 0.999 <= value < 1.0:
        return round(value, 3)
    return value


def _seconds(value: Plain) -> str:
    return "none needed" if value is None else f"{value} s"
