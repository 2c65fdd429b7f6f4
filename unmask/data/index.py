"""`unmask data index`: a manifest of a folder; no person and no group is on both sides of its split."""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO, get_args

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask.data.layouts import LAYOUTS, Found, Item, discover
from unmask.data.splits import assign
from wire.errors import UsageError
from worker.training.manifest import dev_names
from worker.training.splits import split_groups
from worker.training.store import Split

COLUMNS = ("file", "label", "split", "source", "kind", "person", "group", "method", "official", "margin")
SEED = "unmask-1"
Line = tuple[Item, Split]


class Left(msgspec.Struct):
    """How many clips are not in the manifest, and why."""

    between: int = 0  # would tie two splits together
    alone: int = 0  # a crop without a counterpart
    excluded: int = 0  # of a group that another manifest's dev clips touch


def run(root: Path, out: str | None, seed: str, exclude: Path | None, force: bool) -> int:
    """Write the manifest to `out` ("-": standard output; None: ROOT/manifest.tsv) and print a summary; 0.

    Raises UsageError for a folder that holds nothing known, and for a file that is there already.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is no folder", "name the folder that holds the data set")
    target = root / "manifest.tsv" if out is None else Path(out)
    if out != "-" and target.exists() and not force:
        raise UsageError(f"{target} is there already", "add --force to replace it, or choose another --out")
    found = discover(root)
    if not found.items:
        raise UsageError(_nothing(root, found), f"layouts that are known: {', '.join(LAYOUTS)}")
    lines, left = decide(found.items, seed, dev_names(exclude) if exclude else set())
    if not lines:
        raise UsageError(f"nothing is left of {len(found.items)} clips in {root}", "use another --exclude")
    if out == "-":
        write(lines, sys.stdout, Path.cwd())
    else:
        _replace(lines, target)
    console = Console(stderr=out == "-", markup=False)
    console.print(summary(lines), highlight=False)
    for note in notes(found, left):
        console.print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
    if out != "-":
        said = f"{target}: {len(lines)} clips. Next: unmask data faces {target}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    return 0


def _nothing(root: Path, found: Found) -> str:
    if not found.unknown:
        return f"{root} holds neither videos nor pictures"
    return f"{root} holds {sum(found.unknown.values())} videos and pictures, but in no layout that says which are fake"


def decide(items: Sequence[Item], seed: str, excluded: set[str]) -> tuple[list[Line], Left]:
    """Every item that can be used, with its split, in order of source and group, the real ones first."""
    left = Left()
    banned = {
        (item.source, item.group) for item in items if item.group in excluded or item.path.stem in excluded
    }  # fmt: skip
    kept = [item for item in items if (item.source, item.group) not in banned]
    left.excluded = len(items) - len(kept)
    kept, left.alone = _fixed(kept)
    kept.sort(key=lambda item: (item.source, item.group, item.label != "real", item.path))
    lines = [(item, split) for item, split in zip(kept, assign(kept, seed), strict=True) if split is not None]
    left.between = len(kept) - len(lines)
    return lines, left


def _fixed(items: list[Item]) -> tuple[list[Item], int]:
    """DFDC's crops in the splits of the fixed list, and how many have no counterpart and are left out."""
    labels: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.margin:
            labels[item.group].add(item.label)
    split = split_groups({group for group, seen in labels.items() if len(seen) == 2})
    kept = [
        msgspec.structs.replace(item, split=split[item.group]) if item.margin else item
        for item in items
        if not item.margin or item.group in split
    ]
    return kept, len(items) - len(kept)


def write(lines: Iterable[Line], file: TextIO, folder: Path) -> None:
    """The table, its paths relative to `folder`."""
    table = csv.writer(file, delimiter="\t", lineterminator="\n")
    table.writerow(COLUMNS)
    for item, split in lines:
        name = Path(os.path.relpath(item.path.absolute(), folder.absolute())).as_posix()
        margin = f"{item.margin:g}" if item.margin else ""
        facts = (item.kind, ",".join(item.people), item.group, item.method, item.official, margin)
        table.writerow((name, item.label, split, item.source, *facts))


def _replace(lines: Iterable[Line], target: Path) -> None:
    """Whole or not at all."""
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            write(lines, file, target.parent)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UsageError(f"can't write {target} ({error.strerror})", "choose another place with --out") from None


def summary(lines: Sequence[Line]) -> Table:
    """Clips per source, label and split."""
    table = Table(box=None, pad_edge=False)
    splits = [split for split in get_args(Split) if any(line[1] == split for line in lines)]
    for name in ("source", "real", "fake", "groups", "people", *splits):
        table.add_column(name, justify="left" if name == "source" else "right")
    for source in sorted({item.source for item, _ in lines}):
        mine = [line for line in lines if line[0].source == source]
        label = Counter(item.label for item, _ in mine)
        split: Counter[str] = Counter(split for _, split in mine)
        groups = len({item.group for item, _ in mine})
        people = len({person for item, _ in mine for person in item.people})
        counts = (label["real"], label["fake"], groups, people or "?", *(split[name] for name in splits))
        table.add_row(escape(source), *map(str, counts))
    return table


def notes(found: Found, left: Left) -> list[str]:
    """What is not in the manifest, a line each."""
    said = [f"found: {', '.join(f'{count} x {name}' for name, count in found.layouts.items())}"]
    reasons = (
        (left.between, "clips left out: they show people of both train and dev"),
        (left.alone, "crops left out: no counterpart of their group is there"),
        (left.excluded, "clips left out: their group has a dev clip of the excluded manifest"),
        (found.absent, "clips left out: named by the data set's list, but not there"),
    )
    said += [f"{count} {why}" for count, why in reasons if count]
    said += [f"not understood: {name}/ ({count} files)" for name, count in sorted(found.unknown.items())[:10]]
    if len(found.unknown) > 10:
        said.append(f"not understood: {len(found.unknown) - 10} folders more")
    return said
