"""How an alert's transitions and a track's state are written: the commands both the commit and the expiry add."""

from __future__ import annotations

from redis.client import Pipeline

from wire.errors import DecodeError
from wire.evidence import EvidenceStore
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent, Evidence, Trace
from wire.settings import Settings
from worker.alerts import TrackState

DAY_S = 86_400.0


class Publisher:
    """Adds commands to a transaction; sends nothing itself."""

    def __init__(self, keys: Keys, settings: Settings) -> None:
        self._keys = keys
        self._evidence = EvidenceStore(keys, settings.alerts)
        self._keep_s = settings.alerts.keep_days * DAY_S
        # A window older than queue_max_age_s is looked up in the stream instead, see commit.
        self._idle_ttl_s = 60 + 2 * settings.streamer.queue_max_age_s

    def event(self, pipe: Pipeline, event: AlertEvent) -> None:
        """Append the transition, and replace the alert as it stands."""
        oldest = max(0, round((event.at - self._keep_s) * 1000))
        entry: dict[bytes, bytes] = {FIELD: event.encode()}
        pipe.xadd(self._keys.alerts, entry, minid=oldest, approximate=True)  # type: ignore[arg-type]
        pipe.set(self._keys.alert(event.alert.id), event.alert.encode(), ex=self._seconds(self._keep_s))

    def evidence(self, pipe: Pipeline, part: Evidence | Trace, now: float) -> None:
        """Keep a part of what raised an alert."""
        self._evidence.put(pipe, part, now)

    def state(self, pipe: Pipeline, state: TrackState) -> None:
        """Keep a track's state, and the track among those with an open alert if it has one."""
        kept = self._keep_s if state.alert else self._idle_ttl_s
        pipe.set(self._keys.track(state.camera, state.track), state.encode(), ex=self._seconds(kept))
        member = open_member(state.camera, state.track)
        if state.alert:
            pipe.zadd(self._keys.open_alerts, {member: state.heard})
        else:
            pipe.zrem(self._keys.open_alerts, member)

    @staticmethod
    def _seconds(seconds: float) -> int:
        return max(1, round(seconds))


def watch(pipe: Pipeline, *keys: str) -> None:
    """WATCH these: the transaction fails with redis.WatchError when another client changes one of them before EXEC."""
    pipe.watch(*keys)  # type: ignore[no-untyped-call]


def open_member(camera: str, track: str) -> str:
    """A track's member of the open-alerts set."""
    return f"{camera}\0{track}"


def split_member(member: bytes) -> tuple[str, str]:
    """Camera and track of a member of the open-alerts set."""
    camera, _, track = member.decode(errors="replace").partition("\0")
    return camera, track


def read_state(raw: bytes | None, camera: str, track: str) -> TrackState:
    """The state in `raw`; a new one where there is none, or none this build can read."""
    fresh = TrackState(camera=camera, track=track)
    if raw is None:
        return fresh
    try:
        return TrackState.decode(raw)
    except DecodeError:
        return fresh
