"""The messages of `/ws/v1`, both directions: JSON texts tagged by `type`. docs/protocol.md explains them by example."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from dashboard import explaining
from dashboard.access.principal import Principal
from wire.messages import Alert, AlertEventName, AlertKind, Box, CameraVerdict, Score, Severity, UserRole

VERSION = 1
Topic = Literal["alerts", "scores", "cameras"]
BusStatus = Literal["ok", "loading", "lost"]
GapReason = Literal["trimmed", "reset"]
ErrorCode = Literal[
    "malformed", "unknown-type", "expected-hello", "unexpected-hello", "unauthorised", "unsupported-version",
    "bad-cursor", "too-many-subscriptions", "unknown-subscription", "too-many-attempts",
]  # fmt: skip

# Close codes. 1000 the client left; 1009 message too large; 1012 this server is stopping: come back with the cursor.
CLOSE_BAD_HELLO = 4400
CLOSE_UNAUTHORISED = 4401
CLOSE_VERSION = 4406
CLOSE_HELLO_TIMEOUT = 4408
CLOSE_TOO_MANY_ERRORS = 4429
CLOSE_TOO_MUCH = 4430
CLOSE_TOO_MANY_ATTEMPTS = 4431
CLOSE_TOO_SLOW = 4508
CLOSE_TRY_LATER = 1013  # (RFC 6455's registry)

MAX_MESSAGE_BYTES = 64 * 1024
MAX_ERRORS = 16
MAX_SUBSCRIPTIONS = 16
MAX_ID = 64

SubscriptionId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID)]
Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Patterns = Annotated[tuple[Pattern, ...], msgspec.Meta(max_length=256)]


class FromClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of what clients send. A misspelt field is an error, not a filter that silently lets all through."""


class _Named(msgspec.Struct):
    type: str = ""
    id: object = ""


class Hello(FromClient, frozen=True, kw_only=True, tag="hello"):
    """The first message. The token travels here and never in the url, which proxies log."""

    version: int
    token: str | None = None


class Subscribe(FromClient, frozen=True, kw_only=True, tag="subscribe"):
    """Ask for events; an `id` already in use is replaced. Empty filters let everything through."""

    id: SubscriptionId
    topics: tuple[Topic, ...] = ("alerts",)
    cameras: Patterns = ()  # glob patterns
    kinds: tuple[AlertKind, ...] = ()
    severities: tuple[Severity, ...] = ()
    events: tuple[AlertEventName, ...] = ()
    since: str | None = None  # cursor; alert events after it are replayed first


class Unsubscribe(FromClient, frozen=True, kw_only=True, tag="unsubscribe"):
    """End one subscription."""

    id: SubscriptionId


class Ping(FromClient, frozen=True, kw_only=True, tag="ping"):
    """Answered by `pong` with the same `id`."""

    id: Annotated[str, msgspec.Meta(max_length=MAX_ID)] = ""


class FromServer(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what the server sends; clients must ignore fields and types they don't know."""


class CameraView(msgspec.Struct, frozen=True, kw_only=True):
    """One camera as an operator should see it: the streamer's state and the verdict derived from it and the scores."""

    name: str
    verdict: CameraVerdict
    why: str  # what the verdict rests on, e.g. streamer-silent, frozen, not-scored, or the reason of `unsure`
    state: str  # CameraStatus, or "unknown" when no streamer has reported the camera
    source: str = ""
    error: str = ""
    since: float | None = None
    updated: float | None = None
    last_frame: float | None = None
    fps: float = 0.0
    analysed_fps: float = 0.0
    frame_size: tuple[int, int] = (0, 0)
    faces: int = 0
    reconnects: int = 0
    windows: int = 0
    owner: str = ""
    detector: str = ""
    p_fake: float | None = None  # of the fresh score that made the verdict
    box: Box | None = None
    model: str = ""  # of the camera's newest score
    latency: float | None = None  # seconds from capture to score, newest score
    snoozed_until: float | None = None  # no alert opens before that time


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What holds at the welcome's cursor."""

    cameras: tuple[CameraView, ...]
    alerts: tuple[Alert, ...]  # open ones


class Services(msgspec.Struct, frozen=True, kw_only=True):
    """How many services of each role are ready, by their heartbeats."""

    streamer: int = 0
    worker: int = 0
    dashboard: int = 0
    caveat: str = ""  # what a ready worker says one must know of its model before trusting a score
    trouble: str = ""  # what a service says an operator must put right, as a configuration that was refused


class You(msgspec.Struct, frozen=True, kw_only=True):
    """Who the server takes the client for. `cameras` are the patterns of those it may see; empty: all."""

    name: str = ""  # empty where nobody has to say who he is
    role: UserRole = "viewer"
    cameras: tuple[str, ...] = ()


class Welcome(FromServer, frozen=True, kw_only=True, tag="welcome"):
    """The answer to hello. Subscribing with `since` = `cursor` joins the snapshot without a gap."""

    version: int
    at: float
    cursor: str
    heartbeat_s: float
    stale_after_s: float
    bus: BusStatus
    services: Services
    snapshot: Snapshot
    you: You = You()


class Subscribed(FromServer, frozen=True, kw_only=True, tag="subscribed"):
    """The subscription stands; alert events after `cursor` follow."""

    id: str
    cursor: str


class Unsubscribed(FromServer, frozen=True, kw_only=True, tag="unsubscribed"):
    """Nothing more comes for this subscription."""

    id: str


class AlertMessage(FromServer, frozen=True, kw_only=True, tag="alert"):
    """A transition of an alert. Never dropped, in order, exactly once per subscription."""

    sub: str = ""
    event: AlertEventName
    cursor: str
    at: float
    alert: Alert


class ScoreMessage(FromServer, frozen=True, kw_only=True, tag="score"):
    """The newest score of one track; older ones give way when the client is slower than the scores."""

    sub: str = ""
    score: Score


class CameraMessage(FromServer, frozen=True, kw_only=True, tag="camera"):
    """The newest state of one camera; older ones give way. `removed`: it is no longer configured anywhere."""

    sub: str = ""
    camera: CameraView
    removed: bool = False


class Heartbeat(FromServer, frozen=True, kw_only=True, tag="heartbeat"):
    """Every `heartbeat_s`, and at once when `bus` or `services` change."""

    at: float
    cursor: str  # every subscription has been sent all that it asked for up to here; "" where there is none
    bus: BusStatus
    services: Services


class Gap(FromServer, frozen=True, kw_only=True, tag="gap"):
    """Events after `since` are lost: `trimmed` (older than what is kept) or `reset` (Redis lost its data)."""

    sub: str
    since: str
    reason: GapReason


class Pong(FromServer, frozen=True, kw_only=True, tag="pong"):
    """The answer to ping."""

    id: str
    at: float


class Error(FromServer, frozen=True, kw_only=True, tag="error"):
    """What was wrong with a message of the client; the connection stays until there are too many."""

    code: ErrorCode
    message: str
    id: str = ""  # the `id` of that message, as of the subscription asked for; "" where it had none


ClientMessage = Hello | Subscribe | Unsubscribe | Ping
ServerMessage = (
    Welcome | Subscribed | Unsubscribed | AlertMessage | ScoreMessage | CameraMessage | Heartbeat | Gap | Pong | Error
)
_KINDS: dict[str, type[FromClient]] = {
    "hello": Hello, "subscribe": Subscribe, "unsubscribe": Unsubscribe, "ping": Ping,
}  # fmt: skip
_named_decoder = msgspec.json.Decoder(_Named)
_client_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_encoder = msgspec.json.Encoder()


class BadMessage(Exception):
    """A client's message that can't be followed; becomes an `error` message."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code: ErrorCode = code
        self.message = message


def decode_client(text: str | bytes) -> ClientMessage:
    """The client's message in `text`. Raises BadMessage."""
    try:
        return _client_decoder.decode(text)
    except msgspec.ValidationError as error:
        reason = " ".join(str(error).split())[:200]
        if "$.type" in reason:
            raise BadMessage("unknown-type", f"{reason}; known here: {', '.join(_KINDS)}") from None
        raise BadMessage("malformed", reason + _known(text, error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadMessage("malformed", " ".join(str(error).split())[:200]) from None


def _known(text: str | bytes, error: msgspec.ValidationError) -> str:
    """What is known where something is not, for a message of a known type."""
    try:
        kind = _KINDS.get(_named_decoder.decode(text).type)
    except (msgspec.DecodeError, RecursionError):
        return ""
    return explaining.known(error, kind) if kind else ""


def id_of(text: str | bytes) -> str:
    """The `id` of a client's message whatever else is wrong with it; "" where it has none that could be one."""
    try:
        found = _named_decoder.decode(text).id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return found if isinstance(found, str) and len(found) <= MAX_ID else ""


def decode_server(text: str | bytes) -> ServerMessage | None:
    """The server's message in `text`; None for a type this build does not know. Raises msgspec.DecodeError."""
    try:
        return _server_decoder.decode(text)
    except msgspec.ValidationError as error:
        if "$.type" in str(error):
            return None
        raise
    except RecursionError as error:
        raise msgspec.DecodeError(str(error)) from None


def you(who: Principal) -> You:
    """A principal, as it is told."""
    return You(name=who.name, role=who.role, cameras=who.cameras)


def encode(message: FromServer | FromClient) -> str:
    """One message as JSON text."""
    return _encoder.encode(message).decode()


def for_subscription(text: str, sub: str) -> str:
    """An event's text (encoded once, with an empty `sub`) addressed to one subscription."""
    head, tail = text.split('"sub":""', 1)
    return f'{head}"sub":{_encoder.encode(sub).decode()}{tail}'
