"""How an alert's transitions and a track's state are written: the commands both the commit and the ticks add."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from redis.client import Pipeline

from wire.evidence import EvidenceStore
from wire.keys import FIELD, Keys
from wire.messages import AlertEvent, Evidence, Trace, Window
from wire.settings import Settings
from worker.alerts import Told, TrackState

DAY_S = 86_400.0
WindowId = tuple[str, str, int]  # camera, track, seq


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

    def state(
        self, pipe: Pipeline, before: TrackState, after: TrackState, due: float | None, windows: Mapping[int, bytes]
    ) -> None:
        """Keep a track's state, when it is due to be looked at, and of `windows` (by seq) those whose scores wait."""
        camera, track = after.camera, after.track
        kept = self._seconds(self._idle_ttl_s if due is None else self._keep_s)
        pipe.set(self._keys.track(camera, track), after.encode(), ex=kept)
        member = due_member(camera, track)
        if due is None:
            pipe.zrem(self._keys.due_tracks, member)
        else:
            pipe.zadd(self._keys.due_tracks, {member: due})
        was, now = ({point.seq for point in state.waiting} for state in (before, after))
        held = self._keys.held(camera, track)
        if was - now:
            pipe.hdel(held, *(str(seq) for seq in was - now))
        if arrived := {str(seq): windows[seq] for seq in now - was}:
            pipe.hset(held, mapping=arrived)  # type: ignore[arg-type]
            pipe.expire(held, kept)

    @staticmethod
    def _seconds(seconds: float) -> int:
        return max(1, round(seconds))


def evidence(
    pipe: Pipeline, keys: Keys, told: Iterable[Told], at_hand: Mapping[WindowId, Window]
) -> list[Evidence | Trace]:
    """What transitions bring. A window that is not at hand, since its score waited, is read from where it was held:
    `pipe` watches its track and is not in MULTI yet."""
    found: list[Evidence | Trace] = []
    for one in told:
        if one.seq is not None:
            name = (one.event.alert.camera, one.event.alert.track, one.seq)
            window = at_hand.get(name) or _held(pipe, keys, name)
            if window is not None:
                found.append(_evidence(one, window))
        found.append(one.trace)
    return found


def _held(pipe: Pipeline, keys: Keys, name: WindowId) -> Window | None:
    camera, track, seq = name
    return Window.read(pipe.hget(keys.held(camera, track), str(seq)))


def _evidence(told: Told, window: Window) -> Evidence:
    alert = told.event.alert
    assert alert.threshold is not None
    return Evidence(
        alert=alert.id,
        window=window.id,
        model=alert.model,
        threshold=alert.threshold,
        p_fake=told.trace.points[-1][1],
        quality=window.quality,
        frame_size=window.frame_size,
        frames=window.frames,
        margin=window.margin,
        portrait=window.portrait,
    )


def watch(pipe: Pipeline, *keys: str) -> None:
    """WATCH these: the transaction fails with redis.WatchError when another client changes one of them before EXEC."""
    pipe.watch(*keys)  # type: ignore[no-untyped-call]


def due_member(camera: str, track: str) -> str:
    """A track's member of the set of due tracks."""
    return f"{camera}\0{track}"


def split_member(member: bytes) -> tuple[str, str]:
    """Camera and track of a member of the set of due tracks."""
    camera, _, track = member.decode(errors="replace").partition("\0")
    return camera, track


def read_state(raw: bytes | None, camera: str, track: str) -> TrackState:
    """The state in `raw`; a new one where there is none, or none this build can read."""
    return TrackState.read(raw) or TrackState(camera=camera, track=track)
