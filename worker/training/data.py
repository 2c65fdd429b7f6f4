"""What is trained on: crops packed once into a memory map, with a row of facts each, and the fixed splits.

A pack is a folder with `crops.npy` (uint8 N, P, P, 3 in BGR) and `rows.msgpack`. Decoding JPEGs and finding faces
again in every epoch would cost more than the network on two cores; a memory map costs nothing.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from worker.training.manifest import Clip as Clip
from worker.training.manifest import read_manifest as read_manifest

Split = Literal["train", "held", "calibration", "dev"]
Points = tuple[float, ...]
HELD_SEED, HELD_GROUPS, CALIBRATION_GROUPS = "unmask-dfdc-1", 800, 200


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One packed crop. `group` is what real and fake share; `margin` is the crop's side in units of max(w, h)."""

    name: str
    source: str
    label: int  # 1 fake, 0 real
    group: str
    split: Split
    margin: float
    points: Points | None = None  # right eye, left eye, nose, right and left mouth corner: x, y in crop pixels
    window: int = 0  # number of the run of consecutive frames this crop is part of
    pair: str = ""  # crops of one source with the same non-empty value show the same instant


class Pack:
    """A folder of packed crops, read-only."""

    def __init__(self, folder: Path) -> None:
        self.rows = msgspec.msgpack.decode((folder / "rows.msgpack").read_bytes(), type=list[Row])
        self.crops: npt.NDArray[np.uint8] = np.load(folder / "crops.npy", mmap_mode="r")

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


class DfdcRow(msgspec.Struct, frozen=True):
    """One line of the crops' metadata.csv: a fake names its original, a real one is its own."""

    name: str
    label: int
    group: str


def index_dfdc(folder: Path, exclude: set[str]) -> list[DfdcRow]:
    """The crops of `folder` (metadata.csv, faces_224/NAME.jpg), without groups that touch a name in `exclude`.

    Only groups with a real crop and a fake one are kept, in order of group, the real one first.
    """
    rows: dict[str, list[DfdcRow]] = defaultdict(list)
    banned = set()
    with (folder / "metadata.csv").open(newline="") as table:
        for line in csv.DictReader(table):
            name, fake = Path(line["videoname"]).stem, line["label"] == "FAKE"
            group = Path(line["original"]).stem if fake else name
            if not group or not (folder / "faces_224" / f"{name}.jpg").exists():
                continue
            rows[group].append(DfdcRow(name, int(fake), group))
            if name in exclude or group in exclude:
                banned.add(group)
    kept = (members for group, members in sorted(rows.items()) if group not in banned)
    return [row for members in kept if {0, 1} == {m.label for m in members}
            for row in sorted(members, key=lambda m: (m.label, m.name))]  # fmt: skip


def split_groups(groups: set[str]) -> dict[str, Split]:
    """The fixed split: groups ordered by sha256 of seed and name; 800 held out, 200 for calibration, the rest train."""
    ordered = sorted(groups, key=lambda group: hashlib.sha256(f"{HELD_SEED}:{group}".encode()).hexdigest())
    held, calibration = HELD_GROUPS, HELD_GROUPS + CALIBRATION_GROUPS
    return {
        group: "held" if rank < held else "calibration" if rank < calibration else "train"
        for rank, group in enumerate(ordered)
    }


def person_split(person: str) -> Split:
    """Train for nine people in ten, held for one, decided by the name alone."""
    return "held" if int(hashlib.sha256(f"{HELD_SEED}:{person}".encode()).hexdigest()[:8], 16) % 10 == 0 else "train"


def read_stills(path: Path) -> list[tuple[Path, tuple[float, float, float, float]]]:
    """The stills a table names, each with its face box x, y, w, h in pixels; paths are relative to the table."""
    with path.open(newline="") as table:
        lines = csv.DictReader(table, delimiter="\t")
        return [
            (path.parent / line["file"],
             (float(line["face_x"]), float(line["face_y"]), float(line["face_w"]), float(line["face_h"])))
            for line in lines
        ]  # fmt: skip
