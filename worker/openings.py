"""When alerts last opened and which cameras are snoozed: what holds a `new` back, as it is kept in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from redis.client import Pipeline

from wire.keys import ALL_CAMERAS, Keys
from wire.messages import AlertEvent
from wire.settings import AlertSettings
from worker.alerts import Quiet

MARGIN_S = 60  # kept longer than the cool-down by this: a capture time lags behind the server's clock


@dataclass
class Openings:
    """Capture times at which alerts of faces last opened, and the cameras on which none may."""

    cameras: dict[str, float] = field(default_factory=dict)
    last: float | None = None
    snoozed: frozenset[str] = frozenset()

    def quiet(self, camera: str) -> Quiet:
        """What holds openings back on one camera."""
        return Quiet(self.cameras.get(camera), self.last, camera in self.snoozed)

    def note(self, events: Iterable[AlertEvent]) -> None:
        """Remember those that opened an alert."""
        for event in events:
            if event.event == "new":
                self.cameras[event.alert.camera] = self.last = event.alert.updated


class OpeningsStore:
    """Their keys and commands; sends nothing itself."""

    def __init__(self, keys: Keys, settings: AlertSettings) -> None:
        self._keys, self._overall = keys, settings.cooldown_overall_s > 0
        self._camera_ttl_s = round(MARGIN_S + settings.cooldown_s)
        self._overall_ttl_s = round(MARGIN_S + settings.cooldown_overall_s)

    def names(self, cameras: Sequence[str]) -> list[str]:
        """The keys to be read for these cameras; `parse` takes their values."""
        keys = self._keys
        openings = [keys.camera_opened(camera) for camera in cameras]
        return [keys.last_opened, *openings, *snoozes(keys, cameras)]

    def parse(self, cameras: Sequence[str], values: Sequence[bytes | None]) -> Openings:
        """What the values of `names` say."""
        last, rest = values[0], values[1:]
        opened = zip(cameras, rest[: len(cameras)], strict=True)
        return Openings(
            {camera: float(value) for camera, value in opened if value},
            float(last) if last and self._overall else None,
            snoozed(cameras, rest[len(cameras) :]),
        )

    def write(self, pipe: Pipeline, openings: Openings, events: Iterable[AlertEvent]) -> None:
        """Keep the times that `events` changed."""
        cameras = dict.fromkeys(event.alert.camera for event in events if event.event == "new")
        for camera in cameras:
            pipe.set(self._keys.camera_opened(camera), repr(openings.cameras[camera]), ex=self._camera_ttl_s)
        if cameras and self._overall:
            pipe.set(self._keys.last_opened, repr(openings.last), ex=self._overall_ttl_s)


def snoozes(keys: Keys, cameras: Sequence[str]) -> list[str]:
    """The keys that say whether these cameras are snoozed; `snoozed` takes their values."""
    return [keys.snooze(ALL_CAMERAS), *(keys.snooze(camera) for camera in cameras)]


def snoozed(cameras: Sequence[str], values: Sequence[bytes | None]) -> frozenset[str]:
    """The cameras that are snoozed: a snooze that is over is not there, see its TTL."""
    everywhere, each = values[0], values[1:]
    return frozenset(
        camera for camera, value in zip(cameras, each, strict=True) if value is not None or everywhere is not None
    )
