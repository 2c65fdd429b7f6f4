"""What is trained on: the tables that name it, and the fixed splits. The crops themselves are in `store`."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import msgspec

from wire.errors import UsageError
from worker.training.store import Pack, Points, Row, Split, Writer

__all__ = [
    "CALIBRATION_GROUPS", "HELD_GROUPS", "HELD_SEED", "Clip", "Pack", "Points", "Row", "Split", "Writer",
    "dev_names", "person_split", "read_manifest", "set_aside", "split_groups",
]  # fmt: skip

HELD_SEED, HELD_GROUPS, CALIBRATION_GROUPS = "unmask-dfdc-1", 800, 200
SET_ASIDE = 0.05


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


def set_aside(packs: Sequence[Pack]) -> Sequence[Pack]:
    """The packs, one training group in twenty set aside for calibration where no pack has held-out faces yet.

    By a hash of the group's name, at least one group with a real face and one with a fake, so always the same ones.
    """
    if any(row.split in ("calibration", "held") for pack in packs for row in pack.rows):
        return packs
    for pack in packs:
        chosen: set[str] = set()
        for label in (0, 1):
            names = {pack.rows[index].group for index in pack.where("train", label)} - chosen
            ordered = sorted(names, key=lambda name: hashlib.sha256(f"{HELD_SEED}:{name}".encode()).hexdigest())
            if len(ordered) > 1:
                chosen |= set(ordered[: ceil(SET_ASIDE * len(ordered))])
        pack.rows = [
            msgspec.structs.replace(row, split="calibration") if row.split == "train" and row.group in chosen else row
            for row in pack.rows
        ]
    return packs


class Clip(msgspec.Struct, frozen=True):
    """One line of a manifest: a clip or a picture, what it is, and where it may be used."""

    path: Path
    label: str  # real, fake, or pair: left half real, right half fake
    split: str
    source: str
    shows: str = ""
    kind: str = ""  # swap or reenactment
    person: str = ""
    group: str = ""  # what a real clip and its fakes share
    name: str = ""  # the file as the table writes it
    margin: float = 0.0  # of a tight picture that is kept whole: its side over max(w, h) of the face
    box: tuple[float, float, float, float] | None = None  # a hint where the face is: x, y, w, h

    @property
    def facts(self) -> str:
        """All of it but where it lies, short: what is stored of a clip holds as long as this does."""
        rest = [getattr(self, field) for field in self.__struct_fields__ if field != "path"]
        return hashlib.sha256(msgspec.json.encode(rest)).hexdigest()[:16]


def read_manifest(path: Path) -> list[Clip]:
    """The clips a manifest names; its paths are relative to it. Columns it doesn't know are ignored.

    A table without labels but with face boxes is one of real stills: their people come from the files' names, and one
    person in ten is held out. Raises UsageError for what is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as table:
            return [_clip(path.parent, line) for line in csv.DictReader(table, delimiter="\t")]
    except OSError as error:
        raise UsageError(f"manifest {path}: {error.strerror}", "make one with: unmask data index DIR") from None
    except (KeyError, ValueError) as error:
        remedy = "it needs tab-separated columns file, label, split, source"
        raise UsageError(f"{path} is no manifest ({error})", remedy) from None


def _clip(folder: Path, line: dict[str, str]) -> Clip:
    file = Path(line["file"])
    x, y, w, h = (float(line.get(f"face_{side}") or 0) for side in "xywh")
    box = (x, y, w, h) if w and h else None
    still = box is not None and "label" not in line
    person = line.get("person") or (_still_person(file) if still else "")
    label, split, source = ("real", person_split(person), file.parent.name) if still else _what(line)
    return Clip(
        path=folder / file,
        label=label,
        split=split,
        source=source,
        shows=line.get("shows") or "",
        kind=line.get("kind") or "",
        person=person,
        group=line.get("group") or (person if still else file.stem),
        name=line["file"],
        margin=float(line.get("margin") or 0),
        box=box,
    )


def _what(line: dict[str, str]) -> tuple[str, str, str]:
    if line["label"] not in ("real", "fake", "pair"):
        raise ValueError(f"label {line['label']!r} is none of real, fake, pair")
    return line["label"], line["split"], line["source"]


def _still_person(file: Path) -> str:
    """The person in a still by its file's name: Some_One_0001.jpg, neutral_front-001_03.jpg."""
    if file.parent.name == "webmorph":
        return file.stem.split("-")[-1].split("_")[0]
    return file.stem.rstrip("0123456789").rstrip("_")


def dev_names(manifest: Path) -> set[str]:
    """Every name under which a dev clip of `manifest` may occur elsewhere: its stem, and that without leading parts.

    The stem of `dev/DFDC/fake-4fcf41-d7c353_yhffcuhhjy.mp4` ends in the name the data set gave it.
    """
    names = set()
    for clip in read_manifest(manifest):
        if clip.split == "dev":
            parts = clip.path.stem.split("_")
            names |= {"_".join(parts[start:]) for start in range(len(parts))}
    return names
