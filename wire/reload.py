"""A configuration that changes while a service runs: noticed, read whole or refused whole, and compared.

The file is looked at, not listened to: its stamp (device, inode, size, time of change) tells of an editor that writes
in place, of one that renames a new file over it, and of a symbolic link that is turned to another file (ConfigMap).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from wire.errors import ConfigError
from wire.settings import Settings, load

LOOK_S = 0.25
Stamp = tuple[int, int, int, int] | None  # None: there is no such file


def stamp(path: Path) -> Stamp:
    """What tells one state of a file from another."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class FileWatch:
    """Tells once of each new state of a file, when it was the same at two looks: a half-written one is none."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._known = self._seen = stamp(path)
        self._looked = clock()

    def changed(self) -> bool:
        """Whether there is something new; looks at the file every LOOK_S at most."""
        now = self._clock()
        if 0 <= now - self._looked < LOOK_S:
            return False
        self._looked = now
        before, self._seen = self._seen, stamp(self._path)
        if self._seen != before or self._seen == self._known:
            return False
        self._known = self._seen
        return True


class Reload:
    """The settings in a file, as they change. `trouble`: why the file as it stands is refused, "" if it is not."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.trouble = path, ""
        self._watch = FileWatch(path, clock)

    def poll(self) -> Settings | None:
        """The settings of a file that has changed. Raises ConfigError, and notes its line as `trouble`."""
        if not self._watch.changed():
            return None
        try:
            found = load(self.path)
        except ConfigError as error:
            self.trouble = str(error)
            raise
        self.trouble = ""
        return found


def differences(before: BaseModel, after: BaseModel, path: str = "") -> tuple[str, ...]:
    """The dotted names of the settings that differ, never their values: some are secret."""
    found: list[str] = []
    for name in type(before).model_fields:
        found += _differ(getattr(before, name), getattr(after, name), f"{path}{name}")
    return tuple(found)


def _differ(one: Any, other: Any, name: str) -> tuple[str, ...]:
    if isinstance(one, BaseModel) and isinstance(other, BaseModel):
        return differences(one, other, f"{name}.")
    if isinstance(one, dict) and isinstance(other, dict) and (one or other):
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        return tuple(f"{name}.{key}" for key in keys)
    return () if one == other else (name,)
