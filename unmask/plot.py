"""The picture of a scan: each face's score over time, with the thresholds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.figure import Figure


def timeline(result: dict[str, Any], path: Path) -> None:
    """Write a PNG: time in seconds against p_fake, one line a face; windows judged `unsure` are hollow."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    thresholds = result["thresholds"]
    axes.axhspan(thresholds["fake"], 1, color="#d62728", alpha=0.10, lw=0)
    axes.axhspan(thresholds["suspect"], thresholds["fake"], color="#ff9f1c", alpha=0.12, lw=0)
    for number, face in enumerate(result["faces"]):
        colour = f"C{number % 10}"
        ends = [window["end"] for window in face["windows"]]
        axes.plot(ends, [window["p_fake"] for window in face["windows"]], color=colour, lw=1.5, label=face["track"])
        for window in face["windows"]:
            fill = "none" if window["verdict"] == "unsure" else colour
            axes.plot(window["end"], window["p_fake"], "o", ms=5, mec=colour, mfc=fill)
    if result["faces"]:
        axes.legend(title="face", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    else:
        axes.text(0.5, 0.5, "no face", transform=axes.transAxes, ha="center", color="grey")
    axes.set(ylim=(-0.02, 1.02), xlabel="seconds", ylabel="p_fake", title=f"{result['file']}: {result['verdict']}")
    axes.text(0.995, 0.98, "fake", transform=axes.transAxes, ha="right", va="top", color="#a01c1c", fontsize=8)
    axes.grid(alpha=0.25)
    figure.savefig(path, dpi=110)
