"""What of a manifest is evaluated: a split, some of its sources, and each side-by-side clip as two videos. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from streamer.scan import Cut, left_half, right_half, whole
from wire.errors import UsageError
from worker.training.manifest import LABELS, Clip

UNNAMED = "unnamed"  # the source of clips whose manifest names none
CUTS: dict[str, Cut] = {"": whole, "left": left_half, "right": right_half}


class Item(msgspec.Struct, frozen=True):
    """One video: a clip, or one half of a side-by-side one."""

    path: Path
    file: str  # as the manifest names it
    part: str  # a key of CUTS
    label: int  # 1 fake, 0 real
    source: str
    kind: str  # of the manipulation; "" for a real video
    group: str  # drawn together in the bootstrap

    @property
    def name(self) -> str:
        """The file, and which half of it."""
        return f"{self.file} ({self.part} half)" if self.part else self.file

    @property
    def cut(self) -> Cut:
        """From the frame's size to the part that is this video."""
        return CUTS[self.part]


class Skipped(msgspec.Struct, frozen=True):
    """A line of the manifest that could not be evaluated, and why."""

    file: str
    reason: str


def of_split(clips: Sequence[Clip], split: str | None) -> list[Clip]:
    """The clips of `split`; all of them without one, or where the manifest tells no splits. Raises UsageError."""
    known = sorted({clip.split for clip in clips} - {""})
    if split is None or not known:
        return list(clips)
    if split not in known:
        raise UsageError(f"the manifest has no split {split!r}", f"name one of: {', '.join(known)}")
    return [clip for clip in clips if clip.split == split]


def select(clips: Sequence[Clip], sources: Sequence[str], reals_from: Sequence[str]) -> list[Clip]:
    """The clips whose source matches one of `sources` (all without any), and of `reals_from` the real ones only.

    Patterns as a shell's, in any case. Raises UsageError for one that matches nothing.
    """
    known = {clip.source.lower() for clip in clips}
    for pattern in (*sources, *reals_from):
        if not any(_matches(source, [pattern]) for source in known):
            names = ", ".join(sorted({clip.source for clip in clips if clip.source})) or "the manifest names none"
            raise UsageError(f"no clip has the source {pattern!r}", f"choose among: {names}")

    def wanted(clip: Clip) -> bool:
        beside = _matches(clip.source, reals_from)
        if _matches(clip.source, sources) if sources else not beside:
            return True
        return beside and clip.label == "real"

    return [clip for clip in clips if wanted(clip)]


def _matches(source: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(source.lower(), pattern.lower()) for pattern in patterns)


def items_of(clips: Sequence[Clip]) -> tuple[list[Item], list[Skipped]]:
    """What can be scored, and the lines whose label or file is missing."""
    items, skipped = list[Item](), list[Skipped]()
    for clip in clips:
        if clip.label not in LABELS:
            skipped.append(Skipped(clip.name, f"unknown label {clip.label!r}: use {', '.join(LABELS)}"))
        elif not clip.path.is_file():
            skipped.append(Skipped(clip.name, "no such file"))
        elif clip.label == "pair":
            items += [_item(clip, "left", 0), _item(clip, "right", 1)]
        else:
            items.append(_item(clip, "", int(clip.label == "fake")))
    return items, skipped


def _item(clip: Clip, part: str, label: int) -> Item:
    return Item(
        path=clip.path,
        file=clip.name,
        part=part,
        label=label,
        source=clip.source or UNNAMED,
        kind=clip.kind if label else "",
        group=clip.group or clip.name,
    )
