"""What passes between the services: one Struct per message, each owning both directions of its encoding.

MessagePack in Redis, JSON on the WebSocket. Times are Unix seconds (float); boxes are x, y, width, height in pixels of
the camera's frame. Every message carries `v`; an unknown version or any malformed bytes raise one `DecodeError`. Within
a version a field may be added if it has a default: older builds pass over it, newer ones read messages without it.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import msgspec
from msgspec import UNSET, UnsetType

from wire.errors import DecodeError

VERSION = 1

Box = tuple[float, float, float, float]
Verdict = Literal["clean", "suspect", "fake", "unsure"]
CameraVerdict = Literal["clean", "suspect", "fake", "unsure", "no-face", "stale", "offline"]
CameraStatus = Literal[
    "connecting", "waiting", "live", "frozen", "ended",
    "unauthorised", "certificate", "refused", "timeout", "no-video", "unsupported-codec", "not-found", "disconnected",
    "failed", "over-limit", "forbidden", "quarantined",
]  # fmt: skip
AlertKind = Literal["sustained", "spike", "offline", "frozen", "no-face"]  # of a face's scores; of a camera
FACES: tuple[AlertKind, ...] = ("sustained", "spike")
AlertEventName = Literal["new", "update", "end", "review"]
EndReason = Literal["cleared", "track-ended", "camera-lost", "camera-removed"]
ReviewVerdict = Literal["none", "confirmed", "false-alarm"]  # none: an earlier one was taken back
Severity = Literal["warning", "critical"]
Role = Literal["streamer", "worker", "dashboard"]
EnsembleRule = Literal["instead", "mean", "max", "weighted"]
OpinionOutcome = Literal["scored", "unsure", "failed", "late", "down"]
UserRole = Literal["viewer", "operator", "admin"]  # each may do what those before it may
ServiceStatus = Literal["starting", "ready", "draining"]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Base of all messages: MessagePack in Redis, JSON outside."""

    kind_name: ClassVar[str] = "message"
    v: int = VERSION

    def encode(self) -> bytes:
        """This message as MessagePack."""
        return _encoder.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The message in `data`. Raises DecodeError, which keeps the bytes, whatever is wrong with them."""
        try:
            message = msgspec.msgpack.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DecodeError(cls.kind_name, data, str(error)) from error
        if message.v != VERSION:
            raise DecodeError(cls.kind_name, data, f"version {message.v}, this build reads {VERSION}")
        return message

    @classmethod
    def read(cls, data: object) -> Self | None:
        """The message in `data`, bytes; None where there is none, or none that this build can read."""
        try:
            return cls.decode(data) if isinstance(data, bytes) else None
        except DecodeError:
            return None


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One sampled frame of a track."""

    index: int  # number of the sample within its epoch; with camera and track it names the cached feature
    captured: float
    box: Box  # the detected (or tracked) face, before the crop margin
    jpeg: bytes  # the square view of the face, BGR as OpenCV encodes it; its side is the window's `margin`


class Portrait(msgspec.Struct, frozen=True, array_like=True):
    """The newest frame's face with what is around it, for people: frames hold no more than the network sees."""

    margin: float  # the square's side over the face box's longer side
    jpeg: bytes


WHOLE_MARGIN = 1.4  # of messages that do not say it


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """How good the picture of the face is: medians over the window's frames."""

    face_px: float  # the face box's longer side in the camera's frame
    sharpness: float  # variance of the Laplacian of the grey crop at 112 px
    brightness: float  # mean grey value of the crop, 0..255
    yaw: float | None = None  # (nose - eye centre) / eye distance, 0 facing the camera, about +-0.6 in half profile


class Window(Message, frozen=True, kw_only=True):
    """T consecutive crops of one track; atomic, never across a gap."""

    kind_name: ClassVar[str] = "window"
    camera: str
    track: str  # unique for the camera for all time: "<epoch>-<number>"
    epoch: int  # milliseconds at which the uninterrupted stretch of video began
    seq: int  # number of the window within its track, from 0
    frame_size: tuple[int, int]  # width, height
    quality: Quality
    enqueued: float
    frames: tuple[Frame, ...]
    margin: float = WHOLE_MARGIN  # side of the frames' squares over the face box's longer side
    portrait: Portrait | UnsetType = UNSET  # absent where the frames show as much

    @property
    def id(self) -> str:
        """Unique for all time; a redelivered window has the same."""
        return f"{self.camera}/{self.track}/{self.seq}"

    @property
    def captured(self) -> float:
        """Capture time of the newest frame."""
        return self.frames[-1].captured


class Opinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector of the operator's own says of a window, beside ours or instead, see docs/plugins.md."""

    detector: str
    version: str
    rule: EnsembleRule
    outcome: OpinionOutcome  # why there is no logit: it was unsure, raised, took too long, or was not running
    logit: float | None = None  # before its temperature
    ours: float | None = None  # our own logit, before the temperature; None where the rule does not ask for it


class Score(Message, frozen=True, kw_only=True):
    """What the worker says about one window."""

    kind_name: ClassVar[str] = "score"
    window: str
    camera: str
    track: str
    epoch: int
    seq: int
    logit: float  # before the temperature
    p_fake: float  # calibrated, 0..1
    verdict: Verdict
    reason: str = ""  # why the verdict is `unsure`
    quality: Quality
    model: str
    box: Box  # of the newest frame
    frame_size: tuple[int, int]
    started: float  # capture time of the window's oldest frame
    captured: float  # and of its newest
    enqueued: float
    dequeued: float
    scored: float
    shift: float | UnsetType = UNSET  # added to `logit` for p_fake because of the camera's reference; absent: nothing
    opinion: Opinion | UnsetType = UNSET  # of a detector of the operator's own; absent where none is configured


class Reference(Message, frozen=True, kw_only=True):
    """What one model's logits are on one camera while its picture is known to be real, see `worker.reference`."""

    kind_name: ClassVar[str] = "reference"
    camera: str
    model: str  # worth nothing to another model
    made: float
    minutes: float  # how long scores were collected
    windows: int  # those that were sure
    tracks: int
    median: float  # of the tracks' median logits, before any shift
    spread: float  # robust standard deviation of the windows' logits, with a floor
    expected: float  # the median and the spread of the checkpoint's own real windows, which it is compared with
    expected_spread: float


class Review(Message, frozen=True, kw_only=True):
    """What an operator says of an alert; kept beside its scores, never changing them."""

    kind_name: ClassVar[str] = "review"
    alert: str
    verdict: ReviewVerdict
    note: str = ""
    at: float
    by: str = ""  # the user who says so; empty where nobody has to sign in


class Alert(Message, frozen=True, kw_only=True):
    """An alert as it stands; `id` is stable from new to end.

    It belongs to one track, or (offline, frozen, no-face) to a camera: `track` and `model` are empty then, and what
    comes of scores is None.
    """

    kind_name: ClassVar[str] = "alert"
    id: str
    camera: str
    track: str
    kind: AlertKind
    severity: Severity
    started: float
    updated: float
    ended: float | None = None
    end_reason: EndReason | None = None
    score: float | None  # the median that drives the alert, now
    peak: float | None
    mean: float | None
    windows: int  # windows that count towards peak and mean
    threshold: float | None
    model: str
    detail: str = ""  # of a camera's alert: why, in one line for people
    box: Box | UnsetType = UNSET  # the face in the newest frame of the window that opened it, for a call's tiles
    frame_size: tuple[int, int] | UnsetType = UNSET  # of that frame
    review: Review | UnsetType = UNSET  # set in `review` events, REST and snapshots; absent: unchanged


class AlertEvent(Message, frozen=True, kw_only=True):
    """A transition of an alert, or its review; its stream id in Redis is the subscriber's cursor."""

    kind_name: ClassVar[str] = "alert event"
    event: AlertEventName
    at: float
    alert: Alert


class CameraState(Message, frozen=True, kw_only=True):
    """What a streamer knows of one camera; also the newest entry of the `cameras` stream."""

    kind_name: ClassVar[str] = "camera state"
    name: str
    state: CameraStatus
    source: str  # without credentials
    error: str = ""  # one line, without credentials
    since: float  # when `state` was entered
    updated: float  # when this was published; the dashboard calls the camera stale when it is too old
    last_frame: float | None = None
    late_since: float | UnsetType = UNSET  # from when on pictures come too late to be analysed, while they do
    fps: float = 0.0  # decoded frames a second, over the last seconds
    analysed_fps: float = 0.0
    frame_size: tuple[int, int] = (0, 0)
    faces: int = 0
    reconnects: int = 0
    windows: int = 0  # windows sent since the streamer took the camera
    owner: str = ""
    detector: str = ""


class Evidence(Message, frozen=True, kw_only=True):
    """The window that opened an alert: the first part of its evidence, see `wire.evidence`."""

    kind_name: ClassVar[str] = "evidence"
    alert: str
    window: str
    model: str
    threshold: float
    p_fake: float  # of the window
    quality: Quality
    frame_size: tuple[int, int]
    frames: tuple[Frame, ...]
    margin: float = WHOLE_MARGIN  # see Window
    portrait: Portrait | UnsetType = UNSET


class Trace(Message, frozen=True, kw_only=True):
    """The scores before an alert and during it, in their order: (captured, p_fake, verdict)."""

    kind_name: ClassVar[str] = "trace"
    alert: str
    points: tuple[tuple[float, float, Verdict], ...]


class Explanation(Message, frozen=True, kw_only=True):
    """Which frame and which part of the face made the score, and what the stream was like then."""

    kind_name: ClassVar[str] = "explanation"
    alert: str
    frame_scores: tuple[float, ...]  # p_fake of each frame of the evidence's window, as if it were the whole window
    peak: int  # the highest of them: the frame of the heat map
    grid: tuple[tuple[float, ...], ...]  # rows of the fall of the peak frame's logit when that part is covered
    heat: bytes  # JPEG, the grid over the peak frame
    sheet: bytes  # JPEG, all crops with their scores
    camera: CameraState | None  # as it stood


class Picture(Message, frozen=True, kw_only=True):
    """The whole frame of the camera nearest to an alert's evidence, with the face boxed."""

    kind_name: ClassVar[str] = "picture"
    alert: str
    captured: float
    box: Box
    frame_size: tuple[int, int]
    jpeg: bytes


class Clip(Message, frozen=True, kw_only=True):
    """The camera's video around the opening of an alert."""

    kind_name: ClassVar[str] = "clip"
    alert: str
    started: float  # capture time of its first frame
    ended: float
    codec: str
    as_received: bool  # the camera's own packets; else encoded anew
    mp4: bytes


class Snooze(Message, frozen=True, kw_only=True):
    """No alert opens on this camera before `until`; kept under a TTL. `camera` is "*" for all."""

    kind_name: ClassVar[str] = "snooze"
    camera: str
    until: float
    at: float
    by: str = ""  # the user who wants it so


class Login(Message, frozen=True, kw_only=True):
    """One browser that has signed in, kept under a TTL: all dashboards share it, and it outlives their restarts."""

    kind_name: ClassVar[str] = "login"
    user: str
    proof: bytes  # of the user's hash or token, keyed by the cookie's secret: another password ends the login
    began: float


class ServiceState(Message, frozen=True, kw_only=True):
    """A service's heartbeat, kept under a TTL."""

    kind_name: ClassVar[str] = "service state"
    role: Role
    id: str
    state: ServiceStatus
    since: float
    updated: float
    detail: str = ""  # one line for people
    model: str = ""  # of a worker, as the rest
    device: str = ""
    caveat: str = ""  # what one must know of the model before trusting a score
    batch_fill: float | None = None  # windows per batch over the largest batch, mean of the last seconds, 0..1
    busy: float | None = None  # share of the last seconds spent on scoring and committing, 0..1
    queue_age: float | None = None  # capture to dequeue of what was read in the last seconds, mean, seconds
    shed: int | None = None  # windows given up unscored in the last seconds, since more came in than was served
    restarts: int = 0  # how often 'unmask run' has started it anew
    trouble: str = ""  # what an operator must put right: a configuration that was refused, in one line


class DeadLetter(Message, frozen=True, kw_only=True):
    """A window that could not be scored, kept whole with the error."""

    kind_name: ClassVar[str] = "dead letter"
    error: str
    deliveries: int
    at: float
    data: bytes


_encoder = msgspec.msgpack.Encoder()
