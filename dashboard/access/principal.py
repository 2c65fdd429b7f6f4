"""Whoever asks: a name, a role, and the cameras that exist for it. Passes every boundary; decides nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import get_args

from wire.messages import UserRole

_RANK = {role: rank for rank, role in enumerate(get_args(UserRole))}


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody, or something, that was let in. `cameras` are names or patterns, as lobby-*; empty: all."""

    name: str
    role: UserRole
    cameras: tuple[str, ...] = ()
    admitted: bool = True

    @property
    def scoped(self) -> bool:
        """Whether there are cameras that do not exist for it."""
        return not self.admitted or bool(self.cameras)

    def may_see(self, camera: str) -> bool:
        """Whether the camera exists for it, with all that comes of it."""
        return self.admitted and (not self.cameras or any(fnmatchcase(camera, one) for one in self.cameras))

    def may(self, role: UserRole) -> bool:
        """Whether it may do what this role may."""
        return self.admitted and _RANK[self.role] >= _RANK[role]


NOBODY = Principal("", "viewer", admitted=False)  # who has not been let in: sees nothing
ANYBODY = Principal("", "admin")  # where no token and no user is configured, whoever reaches the port
ITSELF = Principal("", "admin")  # the dashboard's own work: metrics, notifications
