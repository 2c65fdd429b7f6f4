"""Windows found once are kept, so that another checkpoint on the same clips costs only its inference.

An entry is named by everything that decides its content: the file's bytes and the part of it, the settings of detector
and windows, the detector's own file, and the code of the streamer with the libraries it calls. Nothing is ever out of
date; what is no longer asked for is thrown away by age once the folder is too large. Entries hold faces: the folder is
the user's alone.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import msgspec

import streamer
from streamer.models import Choice
from unmask.evaluate.items import Item
from wire.messages import Frame, Window
from wire.settings import Settings

SUFFIX = ".windows"
LARGEST = 4 << 30  # bytes of all entries together
LIBRARIES = ("av", "numpy", "opencv-python-headless")


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Windows without their frames, the frames once each, and which of them each window has."""

    windows: list[Window]
    frames: list[Frame]
    places: list[list[int]]

    @classmethod
    def of(cls, windows: list[Window]) -> Entry:
        """Overlapping windows share their crops; so does the entry."""
        numbers: dict[tuple[str, int], int] = {}
        frames: list[Frame] = []
        places: list[list[int]] = []
        for window in windows:
            for frame in window.frames:
                if numbers.setdefault((window.track, frame.index), len(frames)) == len(frames):
                    frames.append(frame)
            places.append([numbers[window.track, frame.index] for frame in window.frames])
        return cls([msgspec.structs.replace(window, frames=()) for window in windows], frames, places)

    def whole(self) -> list[Window]:
        """The windows with their frames."""
        return [
            msgspec.structs.replace(window, frames=tuple(self.frames[place] for place in places))
            for window, places in zip(self.windows, self.places, strict=True)
        ]


class WindowCache:
    """A folder of entries; damaged or foreign ones count as absent. Without a folder it remembers nothing."""

    def __init__(self, folder: Path | None, settings: Settings, choice: Choice) -> None:
        self._folder, self._base = folder, b""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = _base(settings, choice)

    def path(self, item: Item) -> Path | None:
        """Where this item's entry is, or would be. Raises OSError when the clip can't be read."""
        if self._folder is None:
            return None
        with item.path.open("rb") as clip:
            content = hashlib.file_digest(clip, "sha256").digest()
        # The name goes into the windows' ids.
        told = f"{item.path.name}\n{item.part}".encode()
        return self._folder / (hashlib.sha256(self._base + content + told).hexdigest() + SUFFIX)

    def get(self, path: Path | None) -> list[Window] | None:
        """The windows kept at `path`, if there are any."""
        if path is None:
            return None
        try:
            found = msgspec.msgpack.decode(path.read_bytes(), type=Entry).whole()
            os.utime(path)
        except (OSError, msgspec.DecodeError, ValueError, IndexError):
            return None
        return found

    def put(self, path: Path | None, windows: list[Window]) -> None:
        """Keep `windows`, whole or not at all; a full disk is no reason to fail."""
        if path is None:
            return
        partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}{SUFFIX}")  # pruned, too, if it is left
        try:
            partial.write_bytes(msgspec.msgpack.encode(Entry.of(windows)))
            os.replace(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)

    def prune(self, largest: int = LARGEST) -> None:
        """Remove the entries that were not used for longest, until the rest fits."""
        if self._folder is None:
            return
        facts, room = [], largest
        for path in self._folder.glob(f"*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another evaluation prunes
                found = path.stat()
                facts.append((found.st_mtime, found.st_size, path))
        for _, size, path in sorted(facts, reverse=True):
            room -= size
            if room < 0:
                path.unlink(missing_ok=True)


def _base(settings: Settings, choice: Choice) -> bytes:
    """Digest of what every entry depends on."""
    digest = hashlib.sha256()
    digest.update(settings.window.model_dump_json().encode())
    wanted = {"detect_width", "min_face_px", "max_faces"}
    digest.update(settings.streamer.model_dump_json(include=wanted).encode())
    digest.update(choice.kind.encode() + (choice.model.read_bytes() if choice.model else b""))
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    for code in sorted(Path(streamer.__file__).parent.glob("*.py")):
        digest.update(code.name.encode() + code.read_bytes())
    return digest.digest()
