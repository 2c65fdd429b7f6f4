"""An alert event in words, for people who read it on a phone. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from wire.messages import Alert, AlertEvent

_KINDS = {
    "sustained": "Possible deepfake",
    "spike": "Possible deepfake, for a moment",
    "offline": "Camera offline",
    "frozen": "Picture frozen",
    "no-face": "Nobody in view",
}
_DOWN, _ACROSS = ("top", "", "bottom"), ("left", "", "right")
_ENDS = {
    "cleared": "it is no longer so",
    "track-ended": "this face is seen no more",
    "camera-lost": "the camera was lost",
    "camera-removed": "the camera was removed",
}
_REVIEWS = {
    "confirmed": "confirmed by an operator",
    "false-alarm": "called a false alarm",
    "none": "verdict taken back",
}


def title(event: AlertEvent) -> str:
    """One line: what, where, how grave; `Ended` or `Update` in front where it is not new."""
    alert = event.alert
    prefix = {"new": "", "update": "Update: ", "end": "Ended: ", "review": "Reviewed: "}[event.event]
    return f"{prefix}{_KINDS[alert.kind]} on {alert.camera} ({alert.severity})"


def body(event: AlertEvent, caveat: str = "", public_url: str | None = None) -> str:
    """Some lines: times, scores, what to know of the model, where to look."""
    alert = event.alert
    lines = [f"Since {_time(alert.started)}"]
    if alert.ended is not None:
        lines[0] += f" until {_time(alert.ended)}: {_ENDS.get(alert.end_reason or '', 'ended')}"
    if alert.score is not None and alert.peak is not None and alert.threshold is not None:
        lines.append(f"Score {alert.score:.2f}, peak {alert.peak:.2f}, threshold {alert.threshold:.2f}")
    if where := place(alert):
        lines.append(f"The face: {where} in the picture")
    if alert.detail:
        lines.append(alert.detail)
    if alert.review:
        lines.append(
            _REVIEWS[alert.review.verdict].capitalize() + (f": {alert.review.note}" if alert.review.note else "")
        )
    if alert.model:
        lines.append(f"Model {alert.model}" + (f": {caveat}" if caveat else "") + ". A reason to look, not a proof.")
    if public_url:
        lines.append(link(alert, public_url))
    return "\n".join(lines)


def place(alert: Alert) -> str:
    """Where in the picture the face was, as "top left"; empty where that is not known."""
    if not alert.box or not alert.frame_size or not all(alert.frame_size):
        return ""
    x, y, width, height = alert.box
    across, down = (x + width / 2) / alert.frame_size[0], (y + height / 2) / alert.frame_size[1]
    return " ".join(filter(None, (_DOWN[_third(down)], _ACROSS[_third(across)]))) or "middle"


def _third(share: float) -> int:
    return min(2, max(0, int(share * 3)))


def link(alert: Alert, public_url: str) -> str:
    """The page's address of one alert."""
    return f"{public_url.rstrip('/')}/#/alert/{quote(alert.id, safe='')}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
