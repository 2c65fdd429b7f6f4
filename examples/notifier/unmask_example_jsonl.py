"""A notifier that appends each event to a file, a line of JSON each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unmask.plugins import TryLater


class Notifier:
    """`path`: the file, made where it is missing."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def notify(self, event: dict[str, Any]) -> None:
        """Append it. Raises TryLater where the file can't be written: a full disk may be emptied."""
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
        except OSError as error:
            raise TryLater(f"{self._path} can't be written ({error.strerror})", wait_s=10) from error
