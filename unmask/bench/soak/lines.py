"""What a log says, by cause, and how often within how long."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

ALLOWED_PER_S = 1
SPAN_S = 0.99  # a second, less what lies between the clock that let a line through and the one that stamped it
PLAIN_SPAN_S = 10.0  # a line without a time of its own is only known to within a look
NAMES = ("camera", "kind", "channel", "child", "stream", "reason")  # with service and event they make the cause


@dataclass
class Cause:
    """One cause: how many lines, and the most of them within the span."""

    lines: int = 0
    most: int = 0
    level: str = ""
    recent: deque[float] = field(default_factory=deque)

    def add(self, at: float, span_s: float) -> None:
        """Count a line at `at`, which is no earlier than the one before."""
        self.lines += 1
        self.recent.append(at)
        while self.recent and self.recent[0] <= at - span_s:
            self.recent.popleft()
        self.most = max(self.most, len(self.recent))


class Log:
    """Reads what a log file has gained, and counts."""

    def __init__(self, path: Path) -> None:
        self.causes: dict[str, Cause] = {}
        self.plain: dict[str, Cause] = {}
        self._path, self._read, self._rest = path, 0, ""

    def look(self, now: float) -> None:
        """Take the lines that came since; `now` is the time (Unix seconds) of those that carry none."""
        with self._path.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._read)
            text = self._rest + file.read()
            self._read = file.tell()
        *lines, self._rest = text.split("\n")
        self.take(lines, now)

    def take(self, lines: Iterable[str], now: float) -> None:
        """Count these lines."""
        for line in lines:
            if not line.strip():
                continue
            if (entry := _entry(line)) is None:
                self.plain.setdefault(_shape(line), Cause()).add(now, PLAIN_SPAN_S)
                continue
            cause = self.causes.setdefault(_name(entry), Cause(level=str(entry.get("level", ""))))
            cause.add(datetime.fromisoformat(str(entry["timestamp"])).timestamp(), SPAN_S)

    def too_often(self) -> dict[str, int]:
        """The causes that spoke more than once within a second, and how often they did."""
        found = {name: cause.most for name, cause in self.causes.items() if cause.most > ALLOWED_PER_S}
        allowed = PLAIN_SPAN_S * ALLOWED_PER_S
        return {**found, **{name: cause.most for name, cause in self.plain.items() if cause.most > allowed}}

    def summary(self) -> dict[str, dict[str, object]]:
        """Lines by cause, and the most within a second (of lines without a time: within ten)."""
        return {
            name: {"lines": cause.lines, "most": cause.most, "level": cause.level}
            for name, cause in sorted({**self.causes, **self.plain}.items(), key=lambda item: -item[1].lines)
        }


def _entry(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
        datetime.fromisoformat(found["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def _name(entry: dict[str, Any]) -> str:
    """Service, event and what it is about; an alert's own id would make each line a cause of its own."""
    about = [f"{name}={_shape(str(entry[name]))}" for name in NAMES if name in entry]
    return " ".join([str(entry.get("service", "?")), str(entry.get("event", "?")), *about])


def _shape(text: str) -> str:
    """Numbers and addresses taken out, and short."""
    return re.sub(r"0x[0-9a-f]+|(?<![\w-])\d[\d.:]*", "#", text.strip())[:120]
