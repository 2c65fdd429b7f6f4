"""What the dashboard believes about the cameras: pure, driven by messages and a passed-in time.

Stale is never clean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from dashboard.protocol import CameraView
from wire.keys import ALL_CAMERAS
from wire.messages import CameraState, CameraVerdict, Score
from wire.shards import shard_of

TIMELINE_S = 120.0
AHEAD_S = 5.0  # two machines' clocks may differ by as much; what is dated later is of a clock that was set back since
MAX_POINTS = 512  # per track
MAX_TRACKS = 32  # per camera; the one silent for longest goes first
MAX_CAMERAS = 4096
_RANK = {"clean": 0, "unsure": 1, "suspect": 2, "fake": 3}


@dataclass(frozen=True, slots=True)
class Judgement:
    """A camera's verdict, why, and the score it rests on, if any."""

    verdict: CameraVerdict
    why: str = ""
    score: Score | None = None


def judge(
    state: CameraState | None,
    scores: Iterable[Score],
    now: float,
    stale_after_s: float,
    waiting_since: float | None = None,
    unread: bool = False,
) -> Judgement:
    """The verdict on a camera from its newest state and the newest score of each of its tracks.

    `waiting_since` is when a window was first known to have been made that no score has answered. `unread`: Redis was
    lost of late, so that silence is no streamer's.
    """
    if state is None:
        return Judgement("offline", "never-reported")
    if lost := _lost_sight(state, now, stale_after_s, unread):
        return lost
    # A score of the time before a reconnect says nothing about the present picture.
    current = [score for score in scores if score.captured >= state.since]
    fresh = [score for score in current if abs(now - score.captured) <= stale_after_s]
    worst = max(fresh, key=lambda score: (_RANK[score.verdict], score.p_fake), default=None)
    if worst and (state.faces > 0 or _RANK[worst.verdict] >= _RANK["suspect"]):  # a warning outlives the face
        return Judgement(worst.verdict, worst.reason, worst)
    if state.faces == 0:
        return Judgement("no-face")
    late = [score for score in current if score.scored - score.captured > stale_after_s]
    if any(abs(now - score.scored) <= stale_after_s for score in late):
        return Judgement("stale", "behind")
    if waiting_since is not None and now - waiting_since > stale_after_s:
        return Judgement("stale", "not-scored")
    return Judgement("unsure", "gathering")


def _lost_sight(state: CameraState, now: float, stale_after_s: float, unread: bool) -> Judgement | None:
    """The verdict where there is no present picture at all."""
    if now - state.updated > stale_after_s:
        return Judgement("stale", "redis-lost" if unread else "streamer-silent")
    if state.updated - now > stale_after_s:  # its age can't be known, so it can't be called fresh
        return Judgement("stale", "clock-ahead")
    if state.state == "frozen":
        return Judgement("stale", "frozen")
    if state.state != "live":
        return Judgement("offline", state.state)
    if state.last_frame is None or abs(now - state.last_frame) > stale_after_s:
        return Judgement("stale", "no-frames")
    if state.late_since and now - state.late_since > stale_after_s:
        return Judgement("stale", "not-analysed")  # what faces it tells of are of long ago
    return None


@dataclass(slots=True)
class Track:
    """One face: its newest score and its rolling line of (captured, p_fake, verdict)."""

    newest: Score
    points: deque[tuple[float, float, str]] = field(default_factory=lambda: deque(maxlen=MAX_POINTS))

    def add(self, score: Score) -> None:
        """Take a score; one that arrives late takes its place by capture time, a repeated one is ignored."""
        point = (score.captured, score.p_fake, score.verdict)
        if score.captured > self.newest.captured or not self.points:
            self.newest = score
            self.points.append(point)
        elif all(point[0] != known[0] for known in self.points) and len(self.points) < MAX_POINTS:
            self.points = deque(sorted([*self.points, point]), maxlen=MAX_POINTS)


@dataclass(slots=True)
class Camera:
    """Everything known of one camera."""

    state: CameraState | None = None
    tracks: dict[str, Track] = field(default_factory=dict)
    waiting_since: float | None = None
    scored: bool = False  # whether a score came since `state`

    def hear(self, state: CameraState, now: float) -> bool:
        """Take a state; False when a newer one is known already, but for one of a time that is yet to come."""
        if self.state is not None and state.updated < self.state.updated <= now + AHEAD_S:
            return False
        if self.waiting_since is not None:
            self.waiting_since = min(self.waiting_since, now)
        made = state.windows - self.state.windows if self.state is not None else 0
        if state.faces == 0 or made < 0:  # nobody to score, or counting began anew
            self.waiting_since = None
        elif made > 0 and not self.scored and self.waiting_since is None:
            self.waiting_since = now
        self.state, self.scored = state, False
        return True

    def score(self, score: Score) -> None:
        """Take a score."""
        track = self.tracks.get(score.track)
        if track is None:
            if len(self.tracks) >= MAX_TRACKS:
                del self.tracks[min(self.tracks, key=lambda name: self.tracks[name].newest.captured)]
            track = self.tracks[score.track] = Track(score)
        track.add(score)
        self.waiting_since, self.scored = None, True

    def forget(self, before: float, after: float) -> None:
        """Drop tracks and points captured before a time, and tracks with one captured after another."""
        for name, track in list(self.tracks.items()):
            while track.points and track.points[0][0] < before:
                track.points.popleft()
            if not track.points or track.newest.captured > after:
                del self.tracks[name]

    def view(
        self, name: str, now: float, stale_after_s: float, snoozed_until: float | None = None, unread: bool = False
    ) -> CameraView:
        """The camera as an operator should see it."""
        scores = [track.newest for track in self.tracks.values()]
        found = judge(self.state, scores, now, stale_after_s, self.waiting_since, unread)
        newest = max(scores, key=lambda score: score.captured, default=None)
        state = self.state
        if state is None:
            return CameraView(
                name=name, verdict=found.verdict, why=found.why, state="unknown", snoozed_until=snoozed_until
            )
        return CameraView(
            name=name, verdict=found.verdict, why=found.why, state=state.state, source=state.source,
            error=state.error, since=state.since, updated=state.updated, last_frame=state.last_frame,
            fps=state.fps, analysed_fps=state.analysed_fps, frame_size=state.frame_size, faces=state.faces,
            reconnects=state.reconnects, windows=state.windows, owner=state.owner, detector=state.detector,
            p_fake=found.score.p_fake if found.score else None, box=found.score.box if found.score else None,
            model=newest.model if newest else "",
            latency=max(0.0, newest.scored - newest.captured) if newest else None, snoozed_until=snoozed_until,
        )  # fmt: skip


class CameraBook:
    """All cameras, by name; bounded."""

    def __init__(self, stale_after_s: float, shards: int = 1) -> None:
        self._stale_after_s = stale_after_s
        self._cameras: dict[str, Camera] = {}
        self.unread_until = [float("-inf")] * shards  # each was lost of late: what is silent until then may have spoken
        self.snoozes: dict[str, float] = {}  # camera, or ALL_CAMERAS -> until when no alert opens on it

    def __contains__(self, name: str) -> bool:
        return name in self._cameras

    def names(self) -> list[str]:
        """All known names, sorted."""
        return sorted(self._cameras)

    def hear(self, state: CameraState, now: float) -> bool:
        """Take a state; False when it changes nothing."""
        camera = self._open(state.name)
        return camera is not None and camera.hear(state, now)

    def score(self, score: Score) -> None:
        """Take a score."""
        if camera := self._open(score.camera):
            camera.score(score)

    def configure(self, names: set[str], now: float, left: Collection[str]) -> set[str]:
        """Take the names of all configured cameras; forgets, and returns, the others once they are silent.

        `left`: those whose state is still kept. The others were taken out, and are silent from then on.
        """
        others = set(self._cameras) - names
        gone = {name for name in others if name not in left or not self._speaks(name, now)}
        for name in gone:
            del self._cameras[name]
        for name in names:
            self._open(name)
        return gone

    def forget(self, now: float) -> None:
        """Let scores older than the timeline go, and those of a time that is yet to come."""
        for camera in self._cameras.values():
            camera.forget(now - TIMELINE_S, now + AHEAD_S)

    def view(self, name: str, now: float) -> CameraView:
        """One camera. Raises KeyError."""
        snoozed, unread = self.snoozed_until(name, now), now < self.unread_until[shard_of(name, len(self.unread_until))]
        return self._cameras[name].view(name, now, self._stale_after_s, snoozed, unread)

    def snoozed_until(self, name: str, now: float) -> float | None:
        """Until when no alert opens on the camera, be it for its own snooze or for all cameras'; None: it may now."""
        until = max(self.snoozes.get(name, 0.0), self.snoozes.get(ALL_CAMERAS, 0.0))
        return until if until > now else None

    def timeline(self, name: str) -> dict[str, list[tuple[float, float, str]]]:
        """The camera's score lines by track. Raises KeyError."""
        return {track: list(kept.points) for track, kept in self._cameras[name].tracks.items()}

    def _speaks(self, name: str, now: float) -> bool:
        state = self._cameras[name].state
        return state is not None and abs(now - state.updated) <= self._stale_after_s

    def _open(self, name: str) -> Camera | None:
        camera = self._cameras.get(name)
        if camera is None and len(self._cameras) < MAX_CAMERAS:
            camera = self._cameras[name] = Camera()
        return camera
