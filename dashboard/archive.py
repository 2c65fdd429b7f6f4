"""One alert and its evidence as a ZIP, for somebody who must show later what was seen. Pure; the same in, the same out.

Nothing in it depends on when or where it was made: fixed order, the alert's own time on every file, nothing compressed.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from dashboard.api.types import EvidenceFacts
from wire.evidence import read
from wire.messages import Alert, Clip, Evidence, Explanation, Picture

FORMAT = 1
SUMS, MANIFEST, README = "SHA256SUMS", "manifest.json", "README.txt"
TYPES = {"jpg": "image/jpeg", "mp4": "video/mp4", "json": "application/json", "txt": "text/plain; charset=utf-8"}
ABSENT = {
    "crops": "no crop is kept: alerts of a camera have none, and evidence is kept for a limited time and under a limit "
    "of size, the oldest going first",
    "sheet.jpg": "no contact sheet: the worker makes it some seconds after the alert opens, and only where crops are",
    "heat.jpg": "no heat map: the worker makes it some seconds after the alert opens, and only where crops are",
    "picture.jpg": "no whole frame: the streamer that has the camera adds it some seconds after the alert opens",
    "clip.mp4": "no video: it is kept only where alerts.evidence_clip is set, some seconds after the alert opens",
    "trace.json": "no score trace: the worker adds it with the alert's events, and only where crops are",
}
_TEXT = """\
What this is
============
Unmask watches live video and says, per face, whether it looks synthetic (a swapped or a driven face). This archive
holds what was kept of one alert:

    alert     {id}
    camera    {camera}
    kind      {kind}, severity {severity}
    started   {started}
    ended     {ended}
    model     {model}
    review    {review}

Times are UTC; those in the JSON files are seconds since 1970-01-01, both by the clock of the machine that read the
camera.

What is in it
=============
    manifest.json   all facts: the alert, what an operator said of it, the scores, the model and its threshold, the
                    stream's condition, and what is missing and why that may be
    crops/NN.jpg    the face crops that were scored, in their order, as they were scored
    face.jpg        the last of them with what is around it, where the crops do not show it
    sheet.jpg       the same on one sheet, each with its score
    heat.jpg        the frame with the highest score; warm parts are those that made it
    picture.jpg     the whole frame, the face boxed
    clip.mp4        the video around the opening of the alert
    trace.json      the scores before the alert and during it: time, score, verdict
    SHA256SUMS      check with: sha256sum -c SHA256SUMS

How to read a score
===================
A score is a model's estimate between 0 and 1 that the face is synthetic, not a proof; an alert opens where the median
of several exceeds the threshold. Models err: false alarms happen, and so do fakes that are not noticed.

What the sums show
==================
That the files are those of this archive. Who could change the archive could change the sums too: note the SHA-256 of
the ZIP file itself on the day it is exported. An alert exports to the same bytes as long as nothing is added to it.
"""


def build(alert: Alert, facts: EvidenceFacts | None, parts: Mapping[bytes, bytes]) -> bytes:
    """The ZIP. `parts` is the alert's evidence hash, `facts` what REST tells of it."""
    files = _files(dict(parts), facts)
    files[README] = _readme(alert).encode()
    files[MANIFEST] = _pretty(_manifest(alert, facts, files))
    files[SUMS] = "".join(f"{_sum(data)}  {name}\n" for name, data in files.items()).encode()
    at = datetime.fromtimestamp(min(max(alert.started, 315_532_800), 4_354_819_198), UTC)  # what a ZIP can say
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in (README, MANIFEST, *(name for name in files if name not in (README, MANIFEST))):
            entry = zipfile.ZipInfo(name, at.timetuple()[:6])
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, files[name])
    return made.getvalue()


def safe_name(id: str) -> str:
    """An alert's id as the name of a file."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", id[:128])


def _files(parts: dict[bytes, bytes], facts: EvidenceFacts | None) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    if window := read(parts, Evidence):
        files |= {f"crops/{number:02}.jpg": frame.jpeg for number, frame in enumerate(window.frames)}
        files["face.jpg"] = window.portrait.jpeg if window.portrait else b""
    if shown := read(parts, Explanation):
        files |= {"sheet.jpg": shown.sheet, "heat.jpg": shown.heat}
    if picture := read(parts, Picture):
        files["picture.jpg"] = picture.jpeg
    if clip := read(parts, Clip):
        files["clip.mp4"] = clip.mp4
    if facts and facts.trace:
        files["trace.json"] = _pretty({"columns": ["captured", "p_fake", "verdict"], "points": facts.trace})
    return {name: data for name, data in files.items() if data}


def _manifest(alert: Alert, facts: EvidenceFacts | None, files: Mapping[str, bytes]) -> dict[str, Any]:
    there = {name.partition("/")[0] for name in files}
    return {
        "format": FORMAT,
        "made_by": {"unmask": version("unmask"), "model": alert.model or None, "threshold": alert.threshold},
        "times": {"started": utc(alert.started), "updated": utc(alert.updated), "ended": utc(alert.ended)},
        "alert": alert,
        "evidence": facts,
        "files": [
            {"name": name, "type": TYPES[name.rpartition(".")[2]], "bytes": len(data), "sha256": _sum(data)}
            for name, data in files.items()
        ],
        "missing": [{"name": name, "why": why} for name, why in ABSENT.items() if name not in there],
    }


def _readme(alert: Alert) -> str:
    said = alert.review
    review = f"{said.verdict}, {utc(said.at)}" if said else "none"
    return _TEXT.format(
        id=alert.id, camera=alert.camera, kind=alert.kind, severity=alert.severity, started=utc(alert.started),
        ended=utc(alert.ended) or "not yet", model=alert.model or "none: the alert is about the camera itself",
        review=review,
    )  # fmt: skip


def utc(seconds: float | None) -> str | None:
    """A Unix time as ISO 8601; None for none, and for one that no calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def _pretty(body: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
