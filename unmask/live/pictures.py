"""The plots of a live evaluation."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure

from unmask.live.measure import Found, Result
from unmask.live.trade import Point


def trade_off(result: Result, path: Path) -> None:
    """Share alerted, and median delay, against false alerts per camera-hour; a dot at the thresholds in force."""
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, found in enumerate(result.found):
        colour, name = f"C{number % 10}", found.condition.name
        points = sorted(found.curve, key=lambda point: -point.enter)
        rates = [point.false_per_hour for point in points]
        left.plot(rates, [100 * point.detected for point in points], color=colour, lw=1.3, label=name)
        right.plot(rates, [_or_nan(point.median_s) for point in points], color=colour, lw=1.3)
        here = in_force(found, result)
        left.plot(here.false_per_hour, 100 * here.detected, "o", color=colour)
        right.plot(here.false_per_hour, _or_nan(here.median_s), "o", color=colour)
    left.set(ylim=(-2, 102), ylabel="fakes alerted, %")
    right.set(
        ylim=(0, 1.1 * max(right.get_ylim()[1], 1)), ylabel="median time to alert, s (no line: under half alerted)"
    )
    for axes in (left, right):
        axes.set_xlabel("false alerts per camera-hour")
        axes.set_xlim(left=-2)
        axes.grid(alpha=0.25)
    left.legend(title="stream", frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def delays(result: Result, path: Path) -> None:
    """Share of fakes alerted within so many seconds, at the thresholds in force."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    longest = max(visit.end - visit.start for camera in result.cameras for visit in camera.visits)
    for number, found in enumerate(result.found):
        fakes = found.balance.fakes
        times = sorted(fake.delay for fake in fakes if math.isfinite(fake.delay))
        shares = [100 * (count + 1) / len(fakes) for count in range(len(times))]
        steps = [0.0, *times, longest], [0.0, *shares, shares[-1] if shares else 0.0]
        axes.step(*steps, where="post", color=f"C{number % 10}", label=found.condition.name)
    axes.set(xlim=(0, longest), ylim=(-2, 102), xlabel="seconds from the fake's first frame", ylabel="fakes alerted, %")
    axes.grid(alpha=0.25)
    axes.legend(title="stream", frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def in_force(found: Found, result: Result) -> Point:
    """The point of the curve at the thresholds in force."""
    return next(point for point in found.curve if point.enter == result.rules.enter)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
