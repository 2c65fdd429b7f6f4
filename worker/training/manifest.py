"""The table of clips for training and evaluation: tab-separated (or .csv), one clip a line, paths relative to it.

A table without labels but with face boxes is one of real stills: their people come from the files' names, and one
person in ten is held out.
"""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import msgspec

from wire.errors import ManifestError
from worker.training.splits import person_split

LABELS = ("real", "fake", "pair")
REQUIRED = ("file", "label")
_REMEDY = "it needs a first line with the columns file and label, one clip a line below, separated by tabs"
_KINDS = {"swap": ("swap",), "reenactment": ("reenact", "lip-sync", "lip sync", "audio-driven", "talking")}


class Clip(msgspec.Struct, frozen=True):
    """One line of a manifest: a clip or a picture, what it is, and where it may be used."""

    path: Path
    label: str  # real, fake, or pair: left half real, right half fake; whatever else stands there, in small letters
    split: str = ""
    source: str = ""
    shows: str = ""  # free text
    kind: str = ""  # of the manipulation: swap, reenactment, other; from `shows` where the table has no such column
    person: str = ""
    group: str = ""  # what a real clip and its fakes share; the file's stem where the table does not say
    name: str = ""  # the file as the table has it
    margin: float = 0.0  # of a tight picture that is kept whole: its side over max(w, h) of the face
    box: tuple[float, float, float, float] | None = None  # a hint where the face is: x, y, w, h

    @property
    def facts(self) -> str:
        """All of it but where it lies, short: what is stored of a clip holds as long as this does."""
        rest = [getattr(self, field) for field in self.__struct_fields__ if field != "path"]
        return hashlib.sha256(msgspec.json.encode(rest)).hexdigest()[:16]


def read_manifest(path: Path) -> list[Clip]:
    """The clips a manifest names, unknown columns ignored. Raises ManifestError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            lines = csv.DictReader(table, delimiter="," if path.suffix.lower() == ".csv" else "\t")
            named = lines.fieldnames or ()
            missing = [name for name in REQUIRED if name not in named]
            if missing and not ("file" in named and "face_w" in named):
                raise ManifestError(path, f"no column {missing[0]!r}", _REMEDY)
            return [_clip(path, lines.line_num, line) for line in lines]
    except FileNotFoundError:
        raise ManifestError(path, "no such file", "make one with: unmask data index DIR") from None
    except OSError as error:
        raise ManifestError(path, f"can't be read ({error.strerror or error})", "check the file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(path, f"not a table of text ({error})", _REMEDY) from None


def _clip(manifest: Path, number: int, line: dict[str, str | None]) -> Clip:
    def cell(name: str) -> str:
        return (line.get(name) or "").strip()

    file = Path(cell("file"))
    if not cell("file"):
        raise ManifestError(manifest, f"line {number} names no file", _REMEDY)
    try:
        x, y, w, h, margin = (float(cell(name) or 0) for name in ("face_x", "face_y", "face_w", "face_h", "margin"))
    except ValueError as error:
        raise ManifestError(manifest, f"line {number}: {error}", "boxes and margins are numbers of pixels") from None
    still = "label" not in line
    person = cell("person") or (_still_person(file) if still else "")
    return Clip(
        path=manifest.parent / file,
        label="real" if still else cell("label").lower(),
        split=person_split(person) if still else cell("split"),
        source=file.parent.name if still else cell("source"),
        shows=cell("shows"),
        kind=cell("kind").lower() or kind_of(cell("shows")),
        person=person,
        group=cell("group") or (person if still else file.stem),
        name=cell("file"),
        margin=margin,
        box=(x, y, w, h) if w and h else None,
    )


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


def kind_of(shows: str) -> str:
    """The kind of manipulation that a description speaks of, "other" where it speaks of none that is known."""
    text = shows.lower()
    return next((kind for kind, words in _KINDS.items() if any(word in text for word in words)), "other")
