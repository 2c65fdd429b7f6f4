"""Which part of the data a clip falls into. Pure, and decided by names alone: the same clips give the same splits.

No group and no person is in two splits. Clips that share a group or a person are tied together; where such ties run
through most of a source (28 actors who were all swapped with each other), its people are divided instead, and the
clips that show people of both sides are left out.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence

from unmask.data.layouts import Item
from worker.training.store import Split

DEV_SHARE = 0.1
GIANT = 0.5  # share of a source's clips above which a component is divided by its people
STRICT: tuple[Split, ...] = ("dev", "held", "calibration", "train")  # a component takes the first that any member has


def assign(items: Sequence[Item], seed: str) -> list[Split | None]:
    """The split of each item; None for one that would tie two splits together."""
    splits: list[Split | None] = [None] * len(items)
    by_source: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        by_source[item.source].append(index)
    for members in by_source.values():
        chosen = _source([items[index] for index in members], seed)
        for index, split in zip(members, chosen, strict=True):
            splits[index] = split
    return splits


def _source(items: list[Item], seed: str) -> list[Split | None]:
    found = components(items)
    decided: dict[int, Split] = {}
    for number, members in enumerate(found):
        given = {items[index].split for index in members}
        if known := [split for split in STRICT if split in given]:
            decided[number] = known[0]
    largest = max(range(len(found)), key=lambda number: len(found[number]))
    people = sorted({person for index in found[largest] for person in items[index].people})
    giant = largest not in decided and len(found[largest]) > GIANT * len(items) and len(people) >= 4
    open_ = [number for number in range(len(found)) if number not in decided and not (giant and number == largest)]
    names = [min(items[index].group for index in found[number]) for number in open_]
    for number, split in zip(open_, divide(names, [len(found[number]) for number in open_], seed), strict=True):
        decided[number] = split
    splits: list[Split | None] = [None] * len(items)
    for number, split in decided.items():
        for index in found[number]:
            splits[index] = split
    if giant:
        side = dict(zip(people, divide(people, [1] * len(people), seed), strict=True))
        for index, side_of in _by_people(items, found[largest], side):
            splits[index] = side_of
    return splits


def _by_people(items: list[Item], members: list[int], side: dict[str, Split]) -> list[tuple[int, Split | None]]:
    """Where each of a giant's items falls by its people; the first that is of one side decides for its whole group."""
    first: dict[str, Split] = {}
    chosen: list[tuple[int, Split | None]] = []
    for index in sorted(members, key=lambda index: (items[index].label != "real", items[index].path)):
        item = items[index]
        sides = {side[person] for person in item.people}
        split = sides.pop() if len(sides) == 1 else None
        if split is not None and first.setdefault(item.group, split) != split:
            split = None
        chosen.append((index, split))
    return chosen


def divide(names: Sequence[str], sizes: Sequence[int], seed: str) -> list[Split]:
    """About DEV_SHARE of all to dev, by the order of the names' hashes; one at least where there are two or more."""
    wanted = DEV_SHARE * sum(sizes)
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(f"{seed}:{names[i]}".encode()).hexdigest())
    fitting = [i for i in order if sizes[i] <= 2 * wanted] or sorted(order, key=lambda i: sizes[i])[:1]
    splits: list[Split] = ["train"] * len(names)
    taken = 0
    for i in fitting if len(names) > 1 else ():
        if taken >= wanted:
            break
        splits[i] = "dev"
        taken += sizes[i]
    return splits


def components(items: Sequence[Item]) -> list[list[int]]:
    """Indices of the items that a chain of shared groups and people ties together, in order."""
    parent: dict[Hashable, Hashable] = {}

    def root(key: Hashable) -> Hashable:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for item in items:
        group = root(("group", item.group))
        for person in item.people:
            parent[root(("person", person))] = group
            group = root(group)
    found: dict[Hashable, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        found[root(("group", item.group))].append(index)
    return list(found.values())
