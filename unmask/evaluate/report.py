"""The report folder: evaluation.json, plots, contact sheets, and one page that holds all of it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import cv2

from unmask.evaluate import plots, sheets, table
from unmask.evaluate.videos import Video
from wire.errors import ServiceError

PAGE = Path(__file__).with_name("page.html")
TITLES = {
    "roc": ("ROC", "Each threshold's share of fakes found against real videos called fake."),
    "precision-recall": ("Precision and recall", "Of those called fake, the truly fake. It varies with their share."),
    "reliability": ("Reliability", "On the dotted line p_fake is what it says. Numbers are videos in each tenth."),
    "scores": ("Scores", "Videos by p_fake, with the checkpoint's thresholds."),
}  # fmt: skip
SHEETS = (("real", 0, "Real, scored as fake"), ("fake", 1, "Fake, scored as real"))
HEADINGS = ("", "real", "fake", "against", "video AUC (95 %)", "probe", "coverage", "false fake")


def write(folder: Path, result: dict[str, Any], videos: Sequence[Video]) -> None:
    """Write everything. Raises ServiceError where the folder can't be written."""
    try:
        text = json.dumps(result, indent=2, allow_nan=False) + "\n"
        (folder / "evaluation.json").write_text(text, encoding="utf-8")
        drawn = plots.draw_all(videos, result["thresholds"], folder)
        mistakes = {name: sheets.worst(videos, label) for name, label, _ in SHEETS}
        for name, some in mistakes.items():
            if some:
                sheets.sheet(some, folder / f"worst-{name}.png")
        (folder / "index.html").write_text(page(result, drawn, mistakes), encoding="utf-8")
    except OSError as error:
        remedy = "choose another folder with --report"
        raise ServiceError(f"can't write the report ({error.strerror or error})", remedy) from None


def page(result: dict[str, Any], drawn: dict[str, str], mistakes: dict[str, list[Video]]) -> str:
    """The page: one file, nothing fetched."""
    counts, split = result["counts"], f", split {result['split']}" if result["split"] else ""
    chosen = [f"sources {', '.join(result['sources'])}"] if result["sources"] else []
    chosen += [f"reals from {', '.join(result['reals_from'])}"] if result["reals_from"] else []
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        model=_e(result["model"]),
        about=_e("; ".join([f"{result['manifest']}{split}", *chosen, f"faces by {result['detector']}"])),
        counts=_e(
            f"{counts['real']} real and {counts['fake']} fake videos in {counts['groups']} groups, "
            f"{counts['windows']} windows, {counts['no_face']} without a face, {counts['skipped']} skipped"
        ),
        tiles="".join(_tile(*tile) for tile in _tiles(result)),
        plots="".join(_plot(name, svg) for name, svg in drawn.items()) or "<p>No face in any video.</p>",
        overall=_rows((name, value) for name, value in table.overall(result)),
        headings="".join(f"<th>{heading}</th>" for heading in HEADINGS),
        sources=_rows(table.cells(name, found) for name, found in result["by_source"].items()),
        kinds=_rows(table.cells(name, found) for name, found in result["by_kind"].items()),
        reasons=_rows((name, str(count)) for name, count in result["unsure"]["reasons"].items()),
        mistakes="".join(_sheet(title, mistakes[name]) for name, _, title in SHEETS),
        skipped=_rows((one["file"], one["reason"]) for one in result["skipped"]) or _rows([("none", "")]),
        videos=_rows(_video(one) for one in result["videos"]),
    )


def _tiles(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The figures that matter first: name, value, interval."""
    shown = [
        ("video AUC", result["video"]["auc"], False),
        ("shortcut probe AUC", result["shortcut_probe"]["auc"], False),
        ("frame AUC", result["frame"]["auc"], False),
        ("real videos called fake", result["false_fake"]["videos"], True),
        ("fake videos called fake", result["true_fake"]["videos"], True),
        ("coverage", result["coverage"], True),
    ]
    return [(name, *_split(table.percent(found) if share else table.text(found))) for name, found, share in shown]


def _split(written: str) -> tuple[str, str]:
    value, _, interval = written.partition(" (")
    return value, interval.removesuffix(")")


def _tile(name: str, value: str, interval: str) -> str:
    return f'<div class="tile"><span>{name}</span><b>{value}</b><small>{interval or "can’t be computed"}</small></div>'


def _plot(name: str, svg: str) -> str:
    title, words = TITLES[name]
    picture = f'<div role="img" aria-label="{title}">{svg}</div>'
    return f"<figure><h3>{title}</h3>{picture}<figcaption>{words}</figcaption></figure>"


def _rows(rows: Any) -> str:
    return "".join(f"<tr>{''.join(f'<td>{_e(cell)}</td>' for cell in row)}</tr>" for row in rows)


def _video(one: dict[str, Any]) -> tuple[str, ...]:
    p = "–" if one["p_fake"] is None else f"{one['p_fake']:.3f}"
    file = f"{one['file']} ({one['part']} half)" if "part" in one else one["file"]
    return file, one["label"], one["source"], p, one["verdict"], f"{one['sure_windows']} of {one['windows']}"


def _sheet(title: str, videos: list[Video]) -> str:
    if not videos:
        return f"<h3>{title}</h3><p>None.</p>"
    return f'<h3>{title}</h3><div class="strips">{"".join(_strip(video) for video in videos)}</div>'


def _strip(video: Video) -> str:
    jpeg = cv2.imencode(".jpg", sheets.strip(video), [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    name = _e(video.item.name)
    words = f"<b>{video.p_fake:.3f}</b> {video.verdict} · {_e(video.item.source)} · {name}"
    return f'<figure><img src="{source}" alt="face in {name}"><figcaption>{words}</figcaption></figure>'


def _e(text: str) -> str:
    return html.escape(str(text))
