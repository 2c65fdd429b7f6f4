"""Files and folders: the configuration, the state folder, the face detector."""

from __future__ import annotations

import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_dir

from streamer import models
from unmask import embedded
from unmask.finding import Finding
from wire.redact import redact
from wire.settings import Settings
from worker.commit import DEAD_MAXLEN, SCORES_MAXLEN

FROM_ENVIRONMENT = re.compile(r"(?<=://)(\$\{\w+\}:?)+@")  # names of variables give nothing away
# In Redis, by docs/scaling.md; a test holds the first two against a real server.
FEATURE_BYTES = 680  # of a frame of a face: 256 halves, as our checkpoint has them, and its key
SCORE_BYTES = 700
DEAD_BYTES = 300_000  # a window with its error
CAMERA_BYTES = 44_000  # its preview and states
LIMITS = "alerts.evidence_mb, streamer.queue_max_mb, or streamer.max_faces"
MB, GB = 1_000_000, 1_000_000_000


def configuration(path: Path | None) -> Finding:
    """Whether others may read a configuration that holds credentials; it has been loaded, so it is valid."""
    if path is None:
        return Finding("configuration", "ok", "defaults and environment: there is no unmask.yaml here")
    text = FROM_ENVIRONMENT.sub("", path.read_text(encoding="utf-8"))
    mode = stat.S_IMODE(path.stat().st_mode)
    facts = {"path": str(path), "mode": f"{mode:04o}", "credentials": redact(text) != text}
    if facts["credentials"] and mode & 0o004 and os.name == "posix":
        words = f"{path} holds credentials and everybody may read it, mode {mode:04o}"
        return Finding("configuration", "warning", words, f"run: chmod o-r {path}", facts)
    return Finding("configuration", "ok", f"{path}, mode {mode:04o}", facts=facts)


def state(settings: Settings) -> Finding:
    """Whether the embedded server could write there, and all that the settings let it. Only it uses the folder."""
    folder = settings.state.expanduser()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    kept = _kept(settings)
    needed = max(0, embedded.most_bytes(kept) - _taken(folder))
    facts = {"path": str(folder), "exists": there == folder, "free": free, "needed": needed}
    if settings.redis.url:
        return Finding("state folder", "ok", "not used: redis.url is set", facts=facts)
    words = f"{folder}, {free / GB:.1f} GB free, {needed / GB:.1f} GB more may be needed"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "state folder", "failed", f"{folder} can't be written", "set a writable folder as 'state'", facts
        )
    if free < needed:
        remedy = f"free some, set 'state' to a folder on another disk, or lower {LIMITS}"
        return Finding("state folder", "warning", words, remedy, facts)
    if kept > embedded.MEMORY:
        words += (
            f"; the settings allow {kept / GB:.1f} GB, the embedded server's memory holds {embedded.MEMORY / GB:.1f}"
        )
        remedy = f"lower {LIMITS}, or set redis.url to a server with more memory"
        return Finding("state folder", "warning", words, remedy, facts)
    return Finding("state folder", "ok", words, facts=facts)


def _kept(settings: Settings) -> int:
    """Bytes that the settings let Redis hold, with as many faces before each camera as are followed. What is kept for a
    time and not up to a size is left out: alerts, some kB each."""
    shard = (settings.alerts.evidence_mb + settings.streamer.queue_max_mb) * MB
    shard += SCORES_MAXLEN * SCORE_BYTES + DEAD_MAXLEN * DEAD_BYTES
    faces_fps = settings.streamer.max_faces * sum(camera.analysis_fps for camera in settings.cameras.values())
    features = round(faces_fps * settings.worker.feature_ttl_s * FEATURE_BYTES)
    return shard * settings.redis.shards + features + CAMERA_BYTES * len(settings.cameras)


def _taken(folder: Path) -> int:
    """Bytes of all files below a folder that may be read."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # the server has just written it anew
                total += (Path(parent) / name).lstat().st_size
    return total


def detector(settings: Settings) -> Finding:
    """Which face detector the streamer will use. Downloads nothing."""

    def nothing() -> bytes:
        raise OSError("not here yet; the streamer downloads it when it starts")

    if settings.streamer.detector == "haar":
        return Finding("face detector", "ok", "Haar cascade, as configured", facts={"kind": "haar"})
    path, why = models.find(settings.models, Path(user_cache_dir("unmask")), nothing)
    if path is None:
        remedy = f"put {models.FILE} in the folder UNMASK_MODELS names, or give the streamer the internet once"
        words = f"no YuNet: {why.replace('download failed: ', '')}; without it the Haar cascade finds fewer faces"
        return Finding("face detector", "warning", words, remedy, {"kind": "haar"})
    return Finding("face detector", "ok", f"YuNet, {path}", facts={"kind": "yunet", "path": str(path)})
