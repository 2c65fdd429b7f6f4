"""The plots of a report: each a PNG for documents, and an SVG that takes its page's colours."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unmask.evaluate.figures import arrays
from unmask.evaluate.videos import Video
from worker.training import metrics
from worker.training.metrics import Array, Labels

INK = "#010203"  # stands for the page's text colour in an SVG
REAL, FAKE, LINE = "#2f9e6e", "#d9484f", "#3b82d6"
BINS = 10
STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "unmask", "font.size": 10, "axes.spines.top": False,
    "axes.spines.right": False, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK,
    "ytick.color": INK, "grid.color": INK, "grid.alpha": 0.12, "axes.grid": True, "axes.axisbelow": True,
    "legend.frameon": False,
}  # fmt: skip
Draw = Callable[[Axes, Sequence[Video]], None]


def draw_all(videos: Sequence[Video], thresholds: dict[str, float], folder: Path) -> dict[str, str]:
    """Write NAME.png in `folder`; the same as SVG text by name. Only what can be drawn: curves want both classes."""
    faces = [video for video in videos if video.score is not None]
    wanted: dict[str, Draw] = {"scores": lambda axes, some: histogram(axes, some, thresholds)}
    if len({video.item.label for video in faces}) == 2:
        wanted = {"roc": roc, "precision-recall": precision_recall, "reliability": reliability, **wanted}
    made = {}
    for name, draw in wanted.items() if faces else ():
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(5.2, 4.2), layout="constrained")
            draw(figure.subplots(), faces)
            figure.savefig(folder / f"{name}.png", dpi=130, facecolor="white")
            made[name] = _svg(figure)
    return made


def _svg(figure: Figure) -> str:
    """The figure as an SVG element without a background, its ink the page's."""
    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")


def roc(axes: Axes, faces: Sequence[Video]) -> None:
    """The ROC curve with its pointwise 95 % band."""
    scores, _, labels, groups = arrays(faces)
    grid = np.linspace(0, 1, 201)
    band = metrics.bootstrap(lambda weights: _on_grid(scores, labels, weights, grid), groups)
    fpr, tpr = metrics.rates(metrics.roc(scores, labels, np.ones((1, len(scores)))))
    axes.fill_between(grid, [f.lo for f in band], [f.hi for f in band], color=LINE, alpha=0.18, lw=0, label="95 %")
    axes.plot(fpr[0], tpr[0], color=LINE, lw=2, label=f"AUC {metrics.auc(scores, labels):.3f}")
    axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", alpha=0.6, label="chance")
    _square(axes, "share of real videos called fake", "share of fake videos found")
    axes.legend(loc="lower right")


def _on_grid(scores: Array, labels: Labels, weights: Array, grid: Array) -> list[Array]:
    fpr, tpr = metrics.rates(metrics.roc(scores, labels, weights))
    rows = [np.interp(grid, *row) if np.isfinite(row).all() else grid * np.nan for row in np.stack([fpr, tpr], 1)]
    return list(np.array(rows).T)


def precision_recall(axes: Axes, faces: Sequence[Video]) -> None:
    """Precision at each share of the fakes found; the dotted line is what guessing gives."""
    scores, _, labels, _ = arrays(faces)
    curve = metrics.roc(scores, labels, np.ones((1, len(scores))))
    fakes, reals = curve.fakes[0, 1:], curve.reals[0, 1:]
    ap = float(metrics.average_precision(curve)[0])
    axes.step(fakes / fakes[-1], fakes / (fakes + reals), where="pre", color=LINE, lw=2, label=f"AP {ap:.3f}")
    axes.axhline(labels.mean(), color=INK, lw=1, ls=":", alpha=0.6, label=f"chance {labels.mean():.3f}")
    _square(axes, "share of fake videos found (recall)", "truly fake of those called fake (precision)")
    axes.legend(loc="lower left")


def reliability(axes: Axes, faces: Sequence[Video]) -> None:
    """Share of fakes against mean p_fake in ten equal bins, with 95 % intervals; numbers are videos."""
    _, p, labels, groups = arrays(faces)
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=":", alpha=0.6)
    for number in np.unique(place):
        member = place == number
        found = metrics.share_figure(labels[member] == 1, [groups[i] for i in np.flatnonzero(member)])
        x = float(p[member].mean())
        axes.vlines(x, found.lo, found.hi, color=LINE, lw=2, alpha=0.5)
        axes.plot(x, found.value, "o", color=LINE, ms=7)
        axes.annotate(str(member.sum()), (x, found.value), (6, 5), textcoords="offset points", fontsize=8)
    _square(axes, "mean p_fake", "share of fakes")


def histogram(axes: Axes, faces: Sequence[Video], thresholds: dict[str, float]) -> None:
    """How many real and fake videos got which p_fake, with the shipped thresholds."""
    edges = [place / 20 for place in range(21)]
    for label, name, colour in ((0, "real", REAL), (1, "fake", FAKE)):
        values = [video.p_fake for video in faces if video.item.label == label and video.p_fake is not None]
        axes.hist(values, edges, color=colour, alpha=0.55, label=f"{name} ({len(values)})")
    for name, p in thresholds.items():
        axes.axvline(p, color=INK, lw=1, ls="--", alpha=0.7)
        axes.text(p, 1.01, name, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=8)
    axes.set(xlim=(0, 1), xlabel="p_fake", ylabel="videos")
    axes.legend(loc="upper left")


def _square(axes: Axes, across: str, up: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=across, ylabel=up)
