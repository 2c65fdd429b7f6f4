"""The fixed splits: which groups and people are never trained on, decided by names alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import ceil

import msgspec

from worker.training.store import Pack, Split

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
