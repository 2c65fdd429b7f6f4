"""How slices get to a device: padded up to one of a few batch sizes or split into them, each in a lane that nobody else
holds. Pure."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

MOST_LANES = 8  # a GPU is full with fewer; each holds staging memory
T = TypeVar("T")


def batch_sizes(most: int) -> tuple[int, ...]:
    """The powers of two below `most`, and `most`; ascending. A slice is at most half padding."""
    return (*(1 << bit for bit in range(most.bit_length()) if 1 << bit < most), most)


def batch_size(count: int, sizes: Sequence[int]) -> int:
    """The least of the ascending `sizes` that takes `count` images. Raises ValueError where none does."""
    for size in sizes:
        if count <= size:
            return size
    raise ValueError(f"{count} images at once, at most {sizes[-1]} are taken")


def split(count: int, sizes: Sequence[int]) -> list[int]:
    """Some of the ascending `sizes`, of which the first is 1, that add up to `count` images; the largest first."""
    found: list[int] = []
    for size in reversed(sizes):
        found += [size] * (count // size)
        count %= size
    return found


def lane_count(cores: int) -> int:
    """Threads that decode for one GPU: a core each, and two at least, so that copies go on beside the computing."""
    return max(2, min(MOST_LANES, cores))


class Lanes(Generic[T]):
    """Lends each of `items` to one thread at a time; the last one given back goes first, its memory is in the cache."""

    def __init__(self, items: Iterable[T]) -> None:
        self._free: queue.LifoQueue[T] = queue.LifoQueue()
        for item in items:
            self._free.put(item)

    @contextmanager
    def lend(self) -> Iterator[T]:
        """One of the items, as soon as there is one."""
        item = self._free.get()
        try:
            yield item
        finally:
            self._free.put(item)
