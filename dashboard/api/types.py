"""What REST takes and gives: the types that requests are checked against, answers are made of, and OpenAPI is of.

Times are Unix seconds; boxes are x, y, width, height in pixels of the camera's frame.
"""

from __future__ import annotations

from math import inf
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta

from dashboard.patterns import matches
from dashboard.probes import Part
from dashboard.protocol import BusStatus, CameraView, Patterns
from dashboard.system import CapacityState
from wire.messages import (
    Alert,
    AlertKind,
    Box,
    CameraState,
    Quality,
    Review,
    ReviewVerdict,
    Role,
    ServiceStatus,
    Severity,
    UserRole,
    Verdict,
)

MAX_PAGE = 500
MAX_NOTE = 2000
MAX_SNOOZE_MIN = 7 * 24 * 60
Point = tuple[float, float, Verdict]


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of queries and bodies. A misspelt field is an error, not a filter that silently lets all through."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers; clients must ignore fields they don't know."""


class AlertsQuery(Question, frozen=True, kw_only=True):
    """Which alerts, newest first. Filters of one name given several times let either through."""

    camera: Annotated[Patterns, Meta(description="Name or glob pattern, as lobby-*; repeatable")] = ()
    kind: Annotated[tuple[AlertKind, ...], Meta(description="Repeatable")] = ()
    severity: Annotated[tuple[Severity, ...], Meta(description="Repeatable")] = ()
    review: Annotated[tuple[ReviewVerdict, ...], Meta(description="Repeatable; none: not reviewed, or taken back")] = ()
    state: Annotated[Literal["open", "ended"] | None, Meta(description="Else both")] = None
    since: Annotated[float, Meta(description="Started at or after this time")] = msgspec.field(name="from", default=0.0)
    until: Annotated[float | None, Meta(description="Started at or before this time")] = msgspec.field(
        name="to", default=None
    )
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Alerts in a page")] = 100
    before: Annotated[
        Annotated[str, Meta(min_length=1, max_length=256)] | None, Meta(description="`next` of the page before")
    ] = None

    @property
    def end(self) -> float:
        """The latest start that is wanted."""
        return inf if self.until is None else self.until

    def wants(self, alert: Alert) -> bool:
        """Whether the alert passes the filters, but for camera, times and place."""
        review = alert.review.verdict if alert.review is not UNSET else "none"
        return (
            (self.state is None or (alert.ended is None) == (self.state == "open"))
            and (not self.kind or alert.kind in self.kind)
            and (not self.severity or alert.severity in self.severity)
            and (not self.review or review in self.review)
        )

    def wants_camera(self, name: str) -> bool:
        """Whether the camera passes the filters."""
        return not self.camera or any(matches(name, pattern) for pattern in self.camera)


class VerdictBody(Question, frozen=True, kw_only=True):
    """What the operator says of an alert; `none` takes an earlier verdict back."""

    verdict: ReviewVerdict
    note: Annotated[str, Meta(max_length=MAX_NOTE)] = ""


class SnoozeBody(Question, frozen=True, kw_only=True):
    """For how long no alert is to open."""

    minutes: Annotated[float, Meta(ge=1, le=MAX_SNOOZE_MIN)]


class LoginBody(Question, frozen=True, kw_only=True):
    """Who wants to sign in: a user's name and password, or a token and no name."""

    name: Annotated[str, Meta(max_length=64)] = ""
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class Me(Answer, frozen=True, kw_only=True):
    """Who asks. An empty `name`: nobody has to sign in here. `cameras` are names or patterns; empty: all."""

    name: str
    role: UserRole
    cameras: tuple[str, ...]


class SignedOut(Answer, frozen=True, kw_only=True):
    """Whether there was anybody to sign out."""

    was: bool


class Failure(Answer, frozen=True, kw_only=True):
    """What is wrong, in one line."""

    error: str


class Alive(Answer, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Answer, frozen=True, kw_only=True):
    """Whether all parts are ready."""

    ready: bool
    parts: dict[str, Part]


class Cameras(Answer, frozen=True, kw_only=True):
    """All cameras, by name."""

    bus: BusStatus
    cameras: tuple[CameraView, ...]


class Timeline(Answer, frozen=True, kw_only=True):
    """A camera's score lines of the last two minutes: (captured, p_fake, verdict) by track."""

    tracks: dict[str, list[tuple[float, float, str]]]


class Snoozed(Answer, frozen=True, kw_only=True):
    """Until when no alert opens; null: the snooze is taken away. `camera` is "*" for all."""

    camera: str
    until: float | None


class Alerts(Answer, frozen=True, kw_only=True):
    """One page of alerts; `next` is the `before` of the following one."""

    bus: BusStatus
    alerts: list[Alert]
    next: str | None


class Crop(Answer, frozen=True, kw_only=True):
    """One face crop, as evidence/N.jpg; `p_fake` as if it were the whole window, null until the worker has told."""

    captured: float
    box: Box
    p_fake: float | None


class PictureFacts(Answer, frozen=True, kw_only=True):
    """The whole frame, as picture.jpg."""

    captured: float
    box: Box
    frame_size: tuple[int, int]


class ClipFacts(Answer, frozen=True, kw_only=True):
    """The video around the opening, as clip.mp4."""

    started: float
    ended: float
    codec: str
    as_received: bool
    bytes: int


class EvidenceFacts(Answer, frozen=True, kw_only=True):
    """What is kept of what raised an alert. All but the crops comes some seconds after the alert opened."""

    window: str
    model: str
    threshold: float
    p_fake: float
    quality: Quality
    frame_size: tuple[int, int]
    crops: list[Crop]
    trace: list[Point]
    peak: int | None
    grid: list[list[float]] | None
    camera: CameraState | None
    picture: PictureFacts | None
    clip: ClipFacts | None
    heat: bool
    sheet: bool


class OneAlert(Answer, frozen=True, kw_only=True):
    """One alert and its evidence; null where none is kept."""

    alert: Alert
    evidence: EvidenceFacts | None


class Reviewed(Answer, frozen=True, kw_only=True):
    """The review as it is kept."""

    review: Review


class Stage(Answer, frozen=True, kw_only=True):
    """Seconds between two stamps of a window, over the last 60 s; null where nothing was scored."""

    name: Literal["ingest", "queue", "score", "deliver", "total"]
    p50: float | None
    p95: float | None
    p99: float | None
    count: int


class Queue(Answer, frozen=True, kw_only=True):
    """Windows that wait or are being scored."""

    windows: int
    oldest_s: float


class Outcomes(Answer, frozen=True, kw_only=True):
    """What became of windows; made = the others + those still queued."""

    made: int = 0
    scored: int = 0
    stale: int = 0
    dead: int = 0
    duplicate: int = 0
    trimmed: int = 0


class Service(Answer, frozen=True, kw_only=True):
    """One service by its heartbeat."""

    role: Role
    id: str
    state: ServiceStatus
    since: float
    updated: float
    detail: str
    restarts: int
    trouble: str
    model: str
    device: str
    caveat: str
    batch_fill: float | None
    busy: float | None


class EvidenceUse(Answer, frozen=True, kw_only=True):
    """All evidence together, and what it may take."""

    alerts: int
    bytes: int
    limit_bytes: int


class CapacityWords(Answer, frozen=True, kw_only=True):
    """Whether the workers keep up."""

    state: CapacityState
    words: str


class SystemView(Answer, frozen=True, kw_only=True):
    """How the line is doing; at most two seconds old where Redis answers."""

    at: float
    bus: BusStatus
    stages: list[Stage]
    queue: Queue
    outcomes: Outcomes
    per_minute: Outcomes
    services: list[Service]
    evidence: EvidenceUse
    capacity: CapacityWords
