"""How much of the machine something else used while we measured: figures of a busy machine are not printed.

All that the system counts as not idle (stolen time of a virtual machine included) less what this process and its
descendants used, and less what the kernel does for whoever it be: interrupts, and its own threads. A dead child's time
is in its parent's `children_*` once it was waited for, so that no sum shrinks.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from wire.errors import UnmaskError

LIMIT = 0.05  # of the machine
TOP = 3
IDLE = ("idle", "iowait", "irq", "softirq")
KTHREADD = 2  # parent of the kernel's threads on Linux: writing our own files to disk is nobody else's work
TWICE = ("guest", "guest_nice")  # are in user and nice already


class MachineBusy(UnmaskError):
    """Something else used more than LIMIT of the machine: a figure would say little."""

    def __init__(self, others: Others) -> None:
        super().__init__(
            f"{others}: no result", "run it on a quiet machine, or with --force to see the figures nevertheless"
        )
        self.others = others


@dataclass(frozen=True)
class Others:
    """What others used of the machine: a share 0..1 of all its processors, and who the first of them were."""

    share: float
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.share:.0%} of the machine was used by others ({', '.join(self.names) or 'nobody visible here'})"

    def insist(self, force: bool) -> None:
        """Raises MachineBusy above LIMIT, unless `force`."""
        if self.share > LIMIT and not force:
            raise MachineBusy(self)


@dataclass(frozen=True)
class Counts:
    """The machine at one moment, in seconds: busy processor time, that of ours, and everybody's by process."""

    at: float
    busy: float
    ours: float
    others: Mapping[int, tuple[str, float]]  # by process: name, seconds

    @classmethod
    def now(cls) -> Counts:
        """Read them; some 10 ms of work."""
        times = psutil.cpu_times()._asdict()
        busy = sum(value for name, value in times.items() if name not in (*IDLE, *TWICE))
        ours, mine = 0.0, set()
        me = psutil.Process()
        for one in (me, *me.children(recursive=True)):
            mine.add(one.pid)
            ours += sum(_times(one))
        others: dict[int, tuple[str, float]] = {}
        for one in psutil.process_iter():
            if one.pid in mine:
                continue
            if psutil.LINUX and _parent(one) == KTHREADD:
                busy -= sum(_times(one)[:2])
            else:
                others[one.pid] = (_name(one), sum(_times(one)[:2]))
        return cls(time.monotonic(), busy, ours, others)


def between(before: Counts, after: Counts, processors: int) -> Others:
    """Who else used the machine between two moments."""
    whole = max(1e-9, after.at - before.at) * processors
    share = max(0.0, (after.busy - before.busy) - (after.ours - before.ours)) / whole
    used: dict[str, float] = {}
    for pid, (name, seconds) in after.others.items():
        _, earlier = before.others.get(pid, (name, 0.0))
        used[name] = used.get(name, 0.0) + max(0.0, seconds - earlier)
    first = sorted(used.items(), key=lambda item: -item[1])[:TOP]
    top = [f"{name} {value / whole:.0%}" for name, value in first if value / whole >= 0.005]
    return Others(min(1.0, share), tuple(top))


class Watch:
    """From its making on."""

    def __init__(self) -> None:
        self._before = Counts.now()

    def others(self) -> Others:
        """Who else used the machine since."""
        return between(self._before, Counts.now(), psutil.cpu_count() or 1)


def look(seconds: float = 1.0) -> Others:
    """Who uses the machine now, before anything is begun."""
    watch = Watch()
    time.sleep(seconds)
    return watch.others()


def _name(one: psutil.Process) -> str:
    """The program's name; a kernel's worker without what it happens to do."""
    try:
        return one.name().partition("/")[0]
    except psutil.Error:
        return "?"


def _parent(one: psutil.Process) -> int:
    try:
        return int(one.ppid())
    except psutil.Error:
        return 0


def _times(one: psutil.Process) -> tuple[float, float, float, float]:
    """User and system time of a process, and of its children that have ended; zeros for one that has gone."""
    try:
        found = one.cpu_times()
    except psutil.Error:
        return 0.0, 0.0, 0.0, 0.0
    return found.user, found.system, getattr(found, "children_user", 0.0), getattr(found, "children_system", 0.0)
