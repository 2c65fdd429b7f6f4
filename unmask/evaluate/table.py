"""What people read in the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from unmask.evaluate.figures import Found

NAMES = {
    "auc": "video AUC", "ap": "video AP", "eer": "video EER", "tpr_at_1fpr": "video TPR at 1 % FPR",
    "tpr_at_5fpr": "video TPR at 5 % FPR",
}  # fmt: skip


def text(found: Found, digits: int = 3) -> str:
    """A figure as 0.636 (0.526–0.742), a dash where there is none."""
    if found is None:
        return "–"
    value, lo, hi = (f"{found[name]:.{digits}f}" for name in ("value", "lo", "hi"))
    return f"{value} ({lo}–{hi})"


def percent(found: Found) -> str:
    """A share as 4.5 % (0.0–11.1)."""
    return "–" if found is None else f"{100 * found['value']:.1f} % ({100 * found['lo']:.1f}–{100 * found['hi']:.1f})"


def overall(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The figures of the whole set, named and written."""
    return [
        *((name, text(result["video"][key])) for key, name in NAMES.items()),
        ("frame AUC", text(result["frame"]["auc"])),
        ("shortcut probe AUC", text(result["shortcut_probe"]["auc"])),
        ("ECE", text(result["ece"])),
        ("coverage", percent(result["coverage"])),
        ("real videos called fake", percent(result["false_fake"]["videos"])),
        ("real windows called fake", percent(result["false_fake"]["windows"])),
        ("fake videos called fake", percent(result["true_fake"]["videos"])),
        ("windows unsure", percent(result["unsure"]["share"])),
        ("error of sure windows", percent(result["unsure"]["sure"]["error"])),
        ("error of unsure windows", percent(result["unsure"]["unsure"]["error"])),
    ]


def show(result: dict[str, Any], console: Console) -> None:
    """Print the figures, the sources and kinds, and what was skipped."""
    counts = result["counts"]
    model, manifest = escape(result["model"]), escape(result["manifest"])
    console.print(f"[bold]{model}[/] on {manifest}, faces by {result['detector']}", highlight=False)
    console.print(
        f"{counts['real']} real and {counts['fake']} fake videos in {counts['groups']} groups, "
        f"{counts['windows']} windows, {counts['no_face']} videos without a face, {counts['skipped']} skipped",
        highlight=False,
    )
    whole = Table("", "95 % interval by video")
    for name, value in overall(result):
        whole.add_row(name, value)
    console.print(whole)
    parts = Table("", "real", "fake", "vs", "video AUC", "probe", "cover", "false")
    for name, found in (*result["by_source"].items(), *result["by_kind"].items()):
        parts.add_row(*cells(escape(name), found))
    console.print(parts)
    for one in result["skipped"]:
        console.print(f"skipped: {one['file']}: {one['reason']}", markup=False, highlight=False, soft_wrap=True)


def cells(name: str, found: dict[str, Any]) -> list[str]:
    """One source's or kind's row."""
    counts = found["counts"]
    return [
        name, str(counts["real"]), str(counts["fake"]), found["against"].split()[0], text(found["video"]["auc"], 2),
        *(_value(part) for part in (found["shortcut_probe"]["auc"], found["coverage"], found["false_fake"]["videos"])),
    ]  # fmt: skip


def _value(found: Found) -> str:
    return "–" if found is None else f"{found['value']:.2f}"
