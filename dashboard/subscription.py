"""What a subscriber asked for: pure filters, and its place in the alert stream."""

from __future__ import annotations

from fnmatch import fnmatchcase

from dashboard.cursors import Cursor
from dashboard.history import Entry
from dashboard.protocol import Subscribe, Topic

_REMEMBERED = 4096


class Subscription:
    """What a client asked for, and its place in the alert stream."""

    def __init__(self, ask: Subscribe, cursor: Cursor) -> None:
        self.ask, self.cursor = ask, cursor
        self._cameras: dict[str, bool] = {}

    def wants_camera(self, name: str) -> bool:
        """Whether the camera's name matches a pattern."""
        known = self._cameras.get(name)
        if known is None:
            if len(self._cameras) > _REMEMBERED:
                self._cameras.clear()
            patterns = self.ask.cameras
            known = self._cameras[name] = not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
        return known

    def takes(self, topic: Topic, camera: str) -> bool:
        """Whether the topic was asked for, of this camera."""
        return topic in self.ask.topics and self.wants_camera(camera)

    def wants(self, entry: Entry) -> bool:
        """Whether the alert event passes the filters."""
        ask, alert = self.ask, entry.event.alert
        return (
            (not ask.events or entry.event.event in ask.events)
            and (not ask.kinds or alert.kind in ask.kinds)
            and (not ask.severities or alert.severity in ask.severities)
            and self.wants_camera(alert.camera)
        )
