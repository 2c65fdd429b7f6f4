"""What the product said in Redis during a soak: the age of scores, whose alerts opened; and what its subscriber got."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from pathlib import Path
from typing import cast

import redis

from unmask.bench.product import Product
from wire.keys import FIELD
from wire.messages import AlertEvent, Score

PAGE = 1000
Rows = list[tuple[bytes, dict[bytes, bytes]]]


class Seen:
    """Follows the scores and the alerts, which Redis forgets in time."""

    def __init__(self, running: Product, scores_after: str, alerts_after: str) -> None:
        self.ages: array[float] = array("d")  # seconds from the capture of a window's newest frame to its score
        self.tracks: dict[str, set[str]] = {}  # by camera, those that were scored
        self.events: Counter[str] = Counter()  # by alert, event and time
        self.opened: dict[str, Counter[str]] = {}  # by camera: alerts by kind
        self._running = running
        self._places = {
            running.keys.scores: b"(" + scores_after.encode(),
            running.keys.alerts: b"(" + alerts_after.encode(),
        }

    def look(self) -> None:
        """Take what came since. Raises redis.RedisError."""
        for row in self._new(self._running.keys.scores):
            score = Score.decode(row)
            self.ages.append(score.scored - score.captured)
            self.tracks.setdefault(score.camera, set()).add(score.track)
        for row in self._new(self._running.keys.alerts):
            event = AlertEvent.decode(row)
            self.events[_named(event.alert.id, event.event, event.at)] += 1
            if event.event == "new":
                self.opened.setdefault(event.alert.camera, Counter())[event.alert.kind] += 1

    def _new(self, stream: str) -> list[bytes]:
        found: list[bytes] = []
        while rows := cast(Rows, self._running.bus.xrange(stream, self._places[stream], count=PAGE)):
            found += [fields[FIELD] for _, fields in rows]
            self._places[stream] = b"(" + rows[-1][0]
        return found

    def waiting(self) -> int:
        """Windows that nothing has become of yet. Raises redis.RedisError."""
        return self._running.bus.xlen(self._running.keys.windows)


def received(output: Path) -> Counter[str]:
    """What `unmask watch --json` printed: alert events, named as in `Seen.events`."""
    found: Counter[str] = Counter()
    for line in output.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n") and (event := json.loads(line))["type"] == "alert":
            found[_named(event["alert"]["id"], event["event"], event["at"])] += 1
    return found


def _named(alert: str, event: str, at: float) -> str:
    return f"{alert} {event} {at:.6f}"


def quietly(seen: Seen) -> bool:
    """`look`; False where Redis did not answer."""
    try:
        seen.look()
    except redis.RedisError:
        return False
    return True
