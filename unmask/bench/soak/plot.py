"""The picture of a soak: memory of each process over time, faults beneath, and the trend after the warm-up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unmask.bench.soak.failing import Fault
from unmask.bench.soak.sampling import Series

COLOURS = {"holds": "#2a7d2e", "fails": "#b3261e", "undecided": "#8a6d00"}
COLUMNS = 3


def draw(path: Path, found: Mapping[str, Any], series: Mapping[str, Series], faults: Sequence[Fault]) -> None:
    """Write the picture; the ending of `path` says the format (.webp, .png, .svg)."""
    names = list(series)
    rows = -(-len(names) // COLUMNS) + 1
    figure = Figure(figsize=(12, 2.6 * rows), layout="constrained")
    grid = figure.add_gridspec(rows, COLUMNS)
    warm_up = found["warm_up_minutes"]
    for number, name in enumerate(names):
        axes = figure.add_subplot(grid[number // COLUMNS, number % COLUMNS])
        _memory(axes, name, series[name], found["roles"][name], warm_up)
    for column, measure in enumerate(("fds", "threads")):
        axes = figure.add_subplot(grid[rows - 1, column])
        for name in names:
            axes.plot(_minutes(series[name]), getattr(series[name], measure), lw=1, label=name)
        axes.set_title({"fds": "file descriptors", "threads": "threads"}[measure], fontsize=10)
        _faults(axes, faults, warm_up)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), frameon=False, fontsize=9)
    figure.suptitle(f"{found['minutes']:g} minutes, {len(faults)} faults of a camera: {found['verdict']}")
    figure.supxlabel("minutes; grey: the warm-up, ticks: a camera killed (red) or frozen (blue)", fontsize=9)
    figure.savefig(path, dpi=90)


def _memory(axes: Axes, name: str, one: Series, role: Mapping[str, Any], warm_up: float) -> None:
    axes.plot(_minutes(one), one.rss_mb, lw=1, color="#31507a")
    slope = role["rss_mb_h"]
    words = f"{slope['per_hour']:+.2f} ({slope['low']:+.2f} to {slope['high']:+.2f}) MB/h" if slope else "too short"
    axes.set_title(f"{name}: {words}", fontsize=10, color=COLOURS[role["memory"]])
    axes.set_ylabel("resident MB", fontsize=8)
    middle = sorted(one.rss_mb)[len(one.rss_mb) // 2]
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, middle - 1), max(high, middle + 1))  # noise of some kilobytes is not to look like growth
    axes.axvspan(0, warm_up, color="0.9", lw=0)


def _faults(axes: Axes, faults: Sequence[Fault], warm_up: float) -> None:
    axes.axvspan(0, warm_up, color="0.9", lw=0)
    for fault in faults:
        axes.axvline(fault.at / 60, ymax=0.04, color={"killed": "#b3261e", "frozen": "#1d5fb3"}[fault.kind], lw=1)


def _minutes(one: Series) -> list[float]:
    return [at / 60 for at in one.times]
