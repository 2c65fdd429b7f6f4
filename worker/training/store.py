"""The store of faces that training reads: crops as JPEGs in one file, the facts about them in another; append-only.

A store is a folder:

    crops.bin      the crops' JPEGs, one after another; a Row knows its offset and length
    rows.msgpack   a msgpack stream of byte strings, each of which holds one record: first the terms the store was made
                   on, then one `Entry` for each clip or picture that is done, with the rows of all its crops

An entry is written after its crops. A kill leaves at most crops without an entry and a torn record; both are cut off
when the store is opened for writing again, and a reader never sees them. Of all that has to be done to a clip, only the
decoding of the JPEGs is left to training.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from wire.errors import UsageError

Split = Literal["train", "held", "calibration", "dev", "negative"]  # negative: real streams, to set thresholds by
Image = npt.NDArray[np.uint8]
Points = tuple[float, ...]
Terms = dict[str, str | int | float]
CROPS, ROWS = "crops.bin", "rows.msgpack"
HEAD = struct.Struct(">BI")  # msgpack's bin 32: this byte, then the length
BIN32 = 0xC6


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One stored crop. `group` is what real and fake share; `margin` is the crop's side in units of max(w, h)."""

    name: str
    source: str
    label: int  # 1 fake, 0 real
    group: str
    split: Split
    margin: float
    points: Points | None = None  # right eye, left eye, nose, right and left mouth corner: x, y in crop pixels
    window: int = 0  # number of the run of consecutive frames this crop is part of
    pair: str = ""  # crops of one source with the same non-empty value show the same instant, cut alike
    person: str = ""  # whose face it is or was made of, where that is known
    kind: str = ""  # swap or reenactment, where that is known
    offset: int = 0  # of the JPEG in crops.bin
    length: int = 0
    size: int = 0  # P, pixels


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A clip or picture that is done. `facts` tells whether the manifest still says the same of it."""

    name: str
    facts: str
    rows: tuple[Row, ...]
    problem: str = ""  # why there are no rows


class Crops(Sequence[Image]):
    """The crops in the order of the rows, each decoded when it is asked for. Safe to share between threads."""

    def __init__(self, path: Path, rows: Sequence[Row]) -> None:
        self._rows = rows
        with path.open("rb") as file:
            empty = not os.fstat(file.fileno()).st_size  # which can't be mapped
            self._data: mmap.mmap | bytes = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Image:  # type: ignore[override]  # crops are taken one by one
        """Crop `index` as uint8 (P, P, 3) in BGR. Raises IndexError, and ValueError where it is no picture."""
        raw = self.jpeg(index)
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR) if raw else None
        if image is None:
            raise ValueError(f"crop {index} ({self._rows[index].name}) is no picture OpenCV can decode")
        return image.astype(np.uint8, copy=False)

    def jpeg(self, index: int) -> bytes:
        """Crop `index` as it is stored."""
        row = self._rows[index]
        return self._data[row.offset : row.offset + row.length]


class Pack:
    """A store, read-only: what was complete when it was opened."""

    def __init__(self, folder: Path) -> None:
        try:
            data = (folder / ROWS).read_bytes()
            self.terms, entries, _ = read(data, (folder / CROPS).stat().st_size)
        except (OSError, ValueError) as error:
            remedy = "make one with: unmask data faces MANIFEST --out DIR"
            raise UsageError(f"{folder} is no store of faces ({error})", remedy) from None
        self.entries = entries
        self.rows = [row for entry in entries for row in entry.rows]
        self.crops: Sequence[Image] = Crops(folder / CROPS, self.rows)

    def where(self, split: Split, label: int | None = None) -> list[int]:
        """Indices of the rows of `split`, and of `label` unless it is None."""
        return [i for i, row in enumerate(self.rows) if row.split == split and (label is None or row.label == label)]

    def groups(self, split: Split) -> dict[str, tuple[list[int], list[int]]]:
        """Per group of `split`: the indices of its real and of its fake crops."""
        found: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for index, row in enumerate(self.rows):
            if row.split == split:
                found[row.group][row.label].append(index)
        return dict(found)

    def digest(self) -> str:
        """Sha256 over the facts of all rows of the train split, short: what data a checkpoint saw."""
        named = sorted(f"{row.source}/{row.name}/{row.label}" for row in self.rows if row.split == "train")
        return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


class Writer:
    """Adds clips to a store, new or begun; a context manager.

    Raises UsageError where the store was begun on other terms or another process is writing to it.
    """

    def __init__(self, folder: Path, terms: Terms) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._crops: BinaryIO = (folder / CROPS).open("ab")
        self._rows: BinaryIO = (folder / ROWS).open("ab")
        try:
            lock(self._rows, folder)
            begun, entries, whole = read((folder / ROWS).read_bytes(), (folder / CROPS).stat().st_size)
            if begun and begun != terms:
                raise UsageError(f"{folder} was begun otherwise: {differences(begun, terms)}", "choose another --out")
        except (UsageError, ValueError) as error:
            self.close()
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{folder} is no store of faces ({error})", "choose another --out") from None
        self._rows.truncate(whole)
        self._end = max((row.offset + row.length for entry in entries for row in entry.rows), default=0)
        self._crops.truncate(self._end)
        self.done = {entry.name: entry.facts for entry in entries}
        if not begun:
            self._append(msgspec.msgpack.encode(terms))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Everything to the disk; may be called twice."""
        for file in (self._crops, self._rows):
            if not file.closed:
                file.flush()
                os.fsync(file.fileno())
                file.close()

    def add(self, name: str, facts: str, crops: Sequence[tuple[Row, bytes]], problem: str = "") -> None:
        """One clip or picture, done: its rows, each with its JPEG, all or none of them."""
        rows = []
        for row, jpeg in crops:
            self._crops.write(jpeg)
            rows.append(msgspec.structs.replace(row, offset=self._end, length=len(jpeg)))
            self._end += len(jpeg)
        self._crops.flush()
        self._append(msgspec.msgpack.encode(Entry(name, facts, tuple(rows), problem)))
        self.done[name] = facts

    def _append(self, record: bytes) -> None:
        self._rows.write(HEAD.pack(BIN32, len(record)) + record)
        self._rows.flush()


def read(data: bytes, stored: int) -> tuple[Terms, list[Entry], int]:
    """The terms, the entries whose crops lie within `stored` bytes, and the length of `data` that they take.

    What follows the last whole record is left out. Raises ValueError for what is no stream of records.
    """
    terms: Terms = {}
    entries: list[Entry] = []
    whole = 0
    decoder = msgspec.msgpack.Decoder(Entry)
    for number, (record, end) in enumerate(_records(data)):
        if number == 0:
            terms = msgspec.msgpack.decode(record, type=Terms)
        else:
            entry = decoder.decode(record)
            if any(row.offset + row.length > stored for row in entry.rows):
                break
            entries.append(entry)
        whole = end
    return terms, entries, whole


def _records(data: bytes) -> Iterator[tuple[memoryview, int]]:
    """Each whole record, and where it ends."""
    view, start = memoryview(data), 0
    while start + HEAD.size <= len(data):
        mark, length = HEAD.unpack_from(data, start)
        if mark != BIN32:
            raise ValueError(f"no record at byte {start} of {ROWS}")
        end = start + HEAD.size + length
        if end > len(data):
            return
        yield view[start + HEAD.size : end], end
        start = end


def lock(file: BinaryIO, folder: Path) -> None:
    """Keep others from writing until `file` is closed. Raises UsageError where another process writes already."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UsageError(
            f"{folder} is being written by another process", "wait for it, or choose another --out"
        ) from None


def differences(begun: Terms, wanted: Terms) -> str:
    """What two sets of terms disagree on, in words."""
    names = sorted(name for name in {*begun, *wanted} if begun.get(name) != wanted.get(name))
    return ", ".join(f"{name} {begun.get(name)}, not {wanted.get(name)}" for name in names)
