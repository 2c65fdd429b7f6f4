"""What a subscriber asked for: pure filters, and its place in the alert stream."""

from __future__ import annotations

from dashboard import cursors
from dashboard.access.principal import Principal
from dashboard.cursors import START, Cursor
from dashboard.history import Entry
from dashboard.patterns import matches
from dashboard.protocol import Subscribe, Topic

AHEAD_S = 60.0  # by which Redis's clock may be ahead of ours
_REMEMBERED = 4096


class Subscription:
    """What a client asked for, within what exists for it, and its place in the alert stream.

    `cursor` is where it has read to. `told` is what the client hears of that: for whoever may not see all cameras the
    place of the last event it was sent, since any later one would tell when something happened elsewhere.
    """

    def __init__(self, ask: Subscribe, cursor: Cursor, principal: Principal) -> None:
        self.ask, self.cursor = ask, cursor
        self._principal, self._sent = principal, cursor
        self._cameras: dict[str, bool] = {}

    @property
    def told(self) -> Cursor:
        """The place that may be told."""
        return self._sent if self._principal.scoped else self.cursor

    def sent(self, cursor: Cursor) -> None:
        """An event was sent."""
        self._sent = cursor

    def restart(self) -> None:
        """Begin anew with what there is."""
        self.cursor = self._sent = START

    def knows_of(self, now: float) -> bool:
        """Whether it may be told that its cursor is of no event yet: where some cameras do not exist for the client,
        that would tell when something last happened elsewhere, unless the cursor is of a time yet to come."""
        return not self._principal.scoped or self.cursor > cursors.at_time(now + AHEAD_S)

    def wants_camera(self, name: str) -> bool:
        """Whether the camera exists for the client, and its name matches a pattern."""
        known = self._cameras.get(name)
        if known is None:
            if len(self._cameras) > _REMEMBERED:
                self._cameras.clear()
            patterns = self.ask.cameras
            asked = not patterns or any(matches(name, pattern) for pattern in patterns)
            known = self._cameras[name] = asked and self._principal.may_see(name)
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
