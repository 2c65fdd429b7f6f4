"""What each process of the product holds: resident memory, descriptors, threads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psutil

MEASURES = ("rss_mb", "own_mb", "fds", "threads")


@dataclass
class Series:
    """One role's samples. `own_mb` is what it shares with no file: the heap, without mapped libraries."""

    times: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    own_mb: list[float] = field(default_factory=list)
    fds: list[float] = field(default_factory=list)
    threads: list[float] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)  # more than one: it was restarted

    def after(self, at: float) -> Series:
        """The samples from `at` on."""
        first = next((index for index, time in enumerate(self.times) if time >= at), len(self.times))
        cut = {name: getattr(self, name)[first:] for name in MEASURES}
        return Series(self.times[first:], **cut, pids=self.pids)


def sample(series: dict[str, Series], now: float, roles: Mapping[str, Iterable[psutil.Process]]) -> None:
    """Add one sample of each role: of its first process, and memory of its children with it."""
    for name, members in roles.items():
        if (found := _sum(members)) is None:
            continue
        pid, values = found
        one = series.setdefault(name, Series())
        one.pids.add(pid)
        one.times.append(now)
        for measure, value in zip(MEASURES, values, strict=True):
            getattr(one, measure).append(value)


def _sum(members: Iterable[psutil.Process]) -> tuple[int, tuple[float, ...]] | None:
    """Memory of all processes of a role together, descriptors and threads of the first alone: Valkey's child that
    writes its file lives for a second. None where there is none that can be read."""
    first, found = 0, [0.0] * len(MEASURES)
    for one in members:
        try:
            with one.oneshot():
                memory = one.memory_info()
                values = [memory.rss / 1e6, (memory.rss - getattr(memory, "shared", 0)) / 1e6]
                if not first:
                    values += [float(one.num_fds()), float(one.num_threads())]
        except psutil.Error:
            continue
        first = first or one.pid
        found = [total + value for total, value in zip(found, [*values, 0.0, 0.0], strict=False)]
    return (first, tuple(found)) if first else None
