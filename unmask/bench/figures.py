"""Arithmetic of the benchmarks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table


def percentile(values: Sequence[float], q: float) -> float:
    """The `q`-th percentile (0..100), between two values linearly; not a number where there are none."""
    return float(np.percentile(values, q)) if values else float("nan")


def rate(counts: Sequence[tuple[float, int]]) -> float:
    """Events a second of a counter read as (seconds, count): from one change of it to the last one.

    A counter that grows by batches is only known at its changes; from there the edges of the span don't matter. Zero
    where it changed less than twice.
    """
    edges = [counts[at] for at in range(1, len(counts)) if counts[at][1] != counts[at - 1][1]]
    if len(edges) < 2:
        return 0.0
    return (edges[-1][1] - edges[0][1]) / (edges[-1][0] - edges[0][0])


def ramp(first: int, largest: int) -> list[int]:
    """Numbers of cameras to try: doubled up to 8, then four more at a time; `largest` is the last."""
    steps, number = [], first
    while number < largest:
        steps.append(number)
        number = number * 2 if number < 8 else number + 4
    return [*steps, largest]


def table(found: Mapping[str, object], title: str = "") -> Table:
    """Names and values for people; what is nested is left to the JSON."""
    made = Table(show_header=False, title=title or None)
    for name, value in found.items():
        if not isinstance(value, dict | list):
            made.add_row(name, str(value))
    return made


def show(found: Mapping[str, object]) -> None:
    """A table on standard output."""
    Console().print(table(found))
