"""Files and folders: the configuration, the state folder, the face detector."""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path

from platformdirs import user_cache_dir

from streamer import models
from unmask.finding import Finding
from wire.redact import redact
from wire.settings import Settings

FROM_ENVIRONMENT = re.compile(r"(?<=://)(\$\{\w+\}:?)+@")  # names of variables give nothing away
LEAST_BYTES = 2_000_000_000  # free in the state folder


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
    """Whether the embedded server could write there, and how much is free. Only it uses the folder."""
    folder = settings.state.expanduser()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    facts = {"path": str(folder), "exists": there == folder, "free": free}
    if settings.redis.url:
        return Finding("state folder", "ok", "not used: redis.url is set", facts=facts)
    words = f"{folder}, {free / 1e9:.1f} GB free"
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "state folder", "failed", f"{folder} can't be written", "set a writable folder as 'state'", facts
        )
    if free < LEAST_BYTES:
        return Finding("state folder", "warning", words, "free some, or set 'state' to a folder on another disk", facts)
    return Finding("state folder", "ok", words, facts=facts)


def detector(settings: Settings) -> Finding:
    """Which face detector the streamer will use. Downloads nothing."""

    def nothing() -> bytes:
        raise OSError("not here yet; the streamer downloads it when it starts")

    if settings.streamer.detector == "haar":
        return Finding("face detector", "ok", "Haar cascade, as configured", facts={"kind": "haar"})
    path, why = models.find(settings.models, Path(user_cache_dir("unmask")), nothing)
    if path is None:
        remedy = f"put {models.FILE} in the folder UNMASK_MODELS names, or give the streamer the internet once"
        words = f"YuNet's file is {why}: without it the Haar cascade finds fewer faces"
        return Finding("face detector", "warning", words, remedy, {"kind": "haar"})
    return Finding("face detector", "ok", f"YuNet, {path}", facts={"kind": "yunet", "path": str(path)})
