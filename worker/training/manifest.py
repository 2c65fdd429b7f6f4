"""The table of clips for training and evaluation: tab-separated (or .csv), one clip a line, paths relative to it."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec

from wire.errors import ManifestError

LABELS = ("real", "fake", "pair")
REQUIRED = ("file", "label")
_REMEDY = "it needs a first line with the columns file and label, one clip a line below, separated by tabs"
_KINDS = {"swap": ("swap",), "reenactment": ("reenact", "lip-sync", "lip sync", "audio-driven", "talking")}


class Clip(msgspec.Struct, frozen=True):
    """One line of a manifest: a clip, what it is, and where it may be used."""

    path: Path
    label: str  # real, fake, or pair: left half real, right half fake; whatever else stands there, in small letters
    split: str = ""
    source: str = ""
    shows: str = ""  # free text
    kind: str = ""  # of the manipulation: swap, reenactment, other; from `shows` where the table has no such column
    person: str = ""
    group: str = ""  # what a clip shares with others made from it, or "" where it stands alone
    name: str = ""  # the file as the table has it


def read_manifest(path: Path) -> list[Clip]:
    """The clips a manifest names, unknown columns ignored. Raises ManifestError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            lines = csv.DictReader(table, delimiter="," if path.suffix.lower() == ".csv" else "\t")
            missing = [name for name in REQUIRED if name not in (lines.fieldnames or ())]
            if missing:
                raise ManifestError(path, f"no column {missing[0]!r}", _REMEDY)
            return [_clip(path, lines.line_num, line) for line in lines]
    except FileNotFoundError:
        raise ManifestError(path, "no such file", "name one with --data; 'file' and 'label' are its columns") from None
    except OSError as error:
        raise ManifestError(path, f"can't be read ({error.strerror or error})", "check the file") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(path, f"not a table of text ({error})", _REMEDY) from None


def _clip(manifest: Path, number: int, line: dict[str, str | None]) -> Clip:
    def cell(name: str) -> str:
        return (line.get(name) or "").strip()

    if not cell("file"):
        raise ManifestError(manifest, f"line {number} names no file", _REMEDY)
    return Clip(
        path=manifest.parent / cell("file"),
        label=cell("label").lower(),
        split=cell("split"),
        source=cell("source"),
        shows=cell("shows"),
        kind=cell("kind").lower() or kind_of(cell("shows")),
        person=cell("person"),
        group=cell("group"),
        name=cell("file"),
    )


def kind_of(shows: str) -> str:
    """The kind of manipulation that a description speaks of, "other" where it speaks of none that is known."""
    text = shows.lower()
    return next((kind for kind, words in _KINDS.items() if any(word in text for word in words)), "other")
