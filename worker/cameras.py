"""When a camera itself becomes an alert: offline, frozen, no face. Pure: its state, the limits and the time come in.

A camera ails of one thing at a time, the gravest. What is less grave than that can't be seen meanwhile: it neither
begins nor is over. An ailment becomes an alert when it has lasted for its time, and ends when it was gone for SETTLE_S;
a break shorter than that is no break, so a camera that flaps does not flap its alerts.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec.structs import replace

from wire.messages import Alert, AlertEvent, AlertKind, CameraState, CameraStatus, EndReason, Message
from wire.settings import Settings

KINDS: tuple[AlertKind, ...] = ("offline", "frozen", "no-face")  # the gravest first
SETTLE_S = 2.0
REWORD_S = 60.0  # least time between two updates because the cause has changed
RENEW_S = 3600.0  # an alert that stands is told again, so that it is not forgotten with what is `keep_days` old

_CAUSES: dict[CameraStatus, str] = {
    "connecting": "the camera has not delivered a picture yet",
    "waiting": "nobody pushes a picture",
    "unauthorised": "the camera refuses the user or password",
    "certificate": "the camera's certificate does not verify",
    "refused": "nothing listens at the camera's address",
    "timeout": "the camera does not answer",
    "no-video": "the stream carries no video",
    "unsupported-codec": "the camera's video can't be decoded",
    "not-found": "there is no such stream or file",
    "disconnected": "the connection to the camera broke",
    "failed": "the camera can't be read",
    "over-limit": "the camera sends more than is decoded",
    "forbidden": "the camera's server points elsewhere",
    "quarantined": "the camera has brought the streamer down",
}
_REMEDY = "check that the camera is on and the network reaches it"


class Limits(msgspec.Struct, frozen=True):
    """How long each ailment must last, in seconds, None: for ever; and after which silence a state says nothing."""

    after: dict[AlertKind, float | None]
    stale_after_s: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that are configured."""
        alerts, minutes = settings.alerts, settings.alerts.no_face_after_min
        no_face = None if minutes is None else 60 * minutes
        times = (alerts.offline_after_s, alerts.frozen_after_s, no_face)
        return cls(dict(zip(KINDS, times, strict=True)), settings.dashboard.stale_after_s)


class Trouble(msgspec.Struct, frozen=True):
    """One ailment: when it was first seen, since when it is no more, and its alert if it has become one."""

    since: float
    gone: float | None = None
    alert: Alert | None = None


class Troubles(Message, frozen=True, kw_only=True):
    """All that is remembered of one camera."""

    kind_name: ClassVar[str] = "camera troubles"
    camera: str
    of: dict[AlertKind, Trouble] = msgspec.field(default_factory=dict)


class Look(msgspec.Struct, frozen=True):
    """One look at a camera. `since`: from when on the looker could see anything; `snoozed`: no alert may open."""

    now: float
    since: float = 0.0
    snoozed: bool = False


Events = tuple[AlertEvent, ...]


def diagnose(state: CameraState | None, stale_after_s: float, now: float) -> tuple[AlertKind | None, str]:
    """What the camera ails of, if anything, and why: the cause and the remedy in one line for an operator.

    `state` is None where no streamer has ever reported the camera.
    """
    if state is None:
        return "offline", "no streamer has reported this camera: check that the one that is configured with it runs"
    if state.state == "ended":  # a plain file was played to its end
        return None, ""
    if now - state.updated > stale_after_s:
        return "offline", f"streamer {state.owner or '?'} is silent: check that it runs and reaches Redis"
    if state.updated - now > stale_after_s:
        ahead = f"{state.updated - now:.0f} s ahead"
        return "offline", f"the clock of streamer {state.owner or '?'} is {ahead}: set the clocks, by NTP for example"
    if state.state == "live" and state.late_since and now - state.late_since > stale_after_s:
        return (
            "offline",
            "its pictures come too late to be looked at: give this machine fewer cameras, or lower analysis_fps",
        )
    if state.state == "live":
        return ("no-face", "no face is seen: check where the camera points") if state.faces == 0 else (None, "")
    if state.state == "frozen":
        return "frozen", f"the picture stands still ({state.error or 'no new picture'}): look at it, restart the camera"
    return "offline", f"{_CAUSES[state.state]}: {state.error or _REMEDY}"


def look(troubles: Troubles, state: CameraState | None, limits: Limits, at: Look) -> tuple[Troubles, Events]:
    """What is remembered after a look at the camera's newest state, and what that makes known."""
    ailment, why = diagnose(state, limits.stale_after_s, at.now)
    rank = KINDS.index(ailment) if ailment else len(KINDS)
    kept: dict[AlertKind, Trouble] = {}
    events: list[AlertEvent] = []
    for number, kind in enumerate(KINDS):
        trouble, after = troubles.of.get(kind), limits.after[kind]
        if number < rank or after is None:
            trouble, event = _absent(trouble, at)
        elif number == rank:
            trouble, event = _present(trouble, troubles.camera, kind, why, after, at)
        else:
            trouble, event = _unseen(trouble, any(told.event == "new" for told in events), at)
        if trouble is not None:
            kept[kind] = trouble
        if event is not None:
            events.append(event)
    return replace(troubles, of=kept), tuple(events)


def remove(troubles: Troubles, now: float) -> Events:
    """The ends of what is open on a camera that was taken out of the configuration."""
    alerts = [trouble.alert for trouble in troubles.of.values()]
    return tuple(_end(alert, now, now, "camera-removed") for alert in alerts if alert is not None)


def _absent(trouble: Trouble | None, at: Look) -> tuple[Trouble | None, AlertEvent | None]:
    if trouble is None:
        return None, None
    gone = at.now if trouble.gone is None else min(trouble.gone, at.now)
    if at.now - max(gone, at.since) < SETTLE_S:
        return replace(trouble, gone=gone), None
    return None, None if trouble.alert is None else _end(trouble.alert, at.now, gone, "cleared")


def _unseen(trouble: Trouble | None, lost: bool, at: Look) -> tuple[Trouble | None, AlertEvent | None]:
    """Something graver hides it. `lost`: that has become an alert, which tells it all."""
    if trouble is None or trouble.alert is None:
        return None, None
    return (None, _end(trouble.alert, at.now, at.now, "camera-lost")) if lost else (trouble, None)


def _present(
    before: Trouble | None, camera: str, kind: AlertKind, why: str, after: float, at: Look
) -> tuple[Trouble, AlertEvent | None]:
    trouble = Trouble(at.now) if before is None else replace(before, since=min(before.since, at.now), gone=None)
    if trouble.alert is not None:
        age = at.now - trouble.alert.updated
        if 0 <= age < (RENEW_S if trouble.alert.detail == why else REWORD_S):
            return trouble, None
        alert = replace(trouble.alert, updated=at.now, detail=why)
        return replace(trouble, alert=alert), AlertEvent(event="update", at=at.now, alert=alert)
    if at.snoozed or at.now - max(trouble.since, at.since) < after:
        return trouble, None
    alert = Alert(
        id=f"{camera}-{kind}-{round(trouble.since * 1000)}",
        camera=camera,
        track="",
        kind=kind,
        severity="warning",
        started=trouble.since,
        updated=at.now,
        score=None,
        peak=None,
        mean=None,
        windows=0,
        threshold=None,
        model="",
        detail=why,
    )
    return replace(trouble, alert=alert), AlertEvent(event="new", at=at.now, alert=alert)


def _end(alert: Alert, now: float, ended: float, reason: EndReason) -> AlertEvent:
    over = replace(alert, updated=now, ended=max(alert.started, ended), end_reason=reason)
    return AlertEvent(event="end", at=now, alert=over)
