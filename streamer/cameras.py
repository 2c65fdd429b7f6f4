"""What a new configuration means for the cameras: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from streamer.config import CameraConfig


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of cameras."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def compare(before: Iterable[CameraConfig], after: Iterable[CameraConfig]) -> Changes:
    """What is new, gone, and not what it was; whoever is in none of these is left alone."""
    old, new = ({camera.name: camera for camera in cameras} for cameras in (before, after))
    return Changes(
        added=tuple(name for name in new if name not in old),
        removed=tuple(name for name in old if name not in new),
        changed=tuple(name for name in new if name in old and old[name] != new[name]),
    )
