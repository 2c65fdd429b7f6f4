"""Where the face detector's file is: a configured folder, the user's cache, or its official address, once."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_dir

from streamer.faces import Detector, Haar, YuNet
from wire.errors import ServiceError
from wire.settings import StreamerSettings

FILE = "face_detection_yunet_2023mar.onnx"
URL = f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{FILE}"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
LARGEST = 2_000_000  # the file has 232,589 bytes
CONNECT_S = 3.0
PATIENCE_S = 5.0  # start-up waits no longer; a slow download goes on behind it and serves the next start

Download = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Choice:
    """The detector this process uses. `why` says what stands in the way of YuNet when it is Haar that is used."""

    kind: Literal["yunet", "haar"]
    model: Path | None
    why: str = ""

    def make(self, settings: StreamerSettings) -> Detector:
        """A detector for all cameras of this process."""
        if self.model is not None:
            return YuNet(self.model, settings.detect_width)
        return Haar(settings.detect_width, settings.min_face_px)


def choose(settings: StreamerSettings, models: Path | None, download: Download | None = None) -> Choice:
    """The detector to use. Raises ServiceError when YuNet is demanded and its file can't be had."""
    if settings.detector == "haar":
        return Choice("haar", None)
    model, why = find(models, Path(user_cache_dir("unmask")), download or fetch)
    if model is not None:
        return Choice("yunet", model)
    if settings.detector == "yunet":
        raise ServiceError(f"no face detector ({why})", f"put {FILE} in the folder UNMASK_MODELS names, from {URL}")
    return Choice("haar", None, why)


def find(models: Path | None, cache: Path, download: Download) -> tuple[Path | None, str]:
    """YuNet's file, checked, or None and the reason."""
    why = ""
    for folder in (models, cache):
        if folder is None:
            continue
        path = folder.expanduser() / FILE
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() == SHA256:
                return path, ""
            why = f"{path} is damaged; "
    problem = _in_time(download, cache)
    path = cache / FILE
    return (path, "") if problem is None else (None, why + problem)


def fetch() -> bytes:
    """The file from its official address. Raises OSError."""
    with urllib.request.urlopen(URL, timeout=CONNECT_S) as answer:
        data: bytes = answer.read(LARGEST)
    return data


def _in_time(download: Download, cache: Path) -> str | None:
    """Download into the cache; None when the file is there within PATIENCE_S, else why not."""
    outcome: list[str | None] = []

    def work() -> None:
        try:
            data = download()
            if hashlib.sha256(data).hexdigest() != SHA256:
                outcome.append("what was downloaded has the wrong sha256")
                return
            _store(cache / FILE, data)
            outcome.append(None)
        except (OSError, ValueError) as error:
            outcome.append(f"download failed: {getattr(error, 'reason', None) or error}")

    thread = threading.Thread(target=work, name="yunet-download", daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return outcome[0] if outcome else f"no download within {PATIENCE_S:g} s"


def _store(path: Path, data: bytes) -> None:
    """Write whole or not at all, whoever else does the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        os.replace(part, path)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise
