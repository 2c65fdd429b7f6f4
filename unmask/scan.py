"""`unmask scan`: video files through the live path's own code, as fast as they can be read."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from streamer.scan import windows_of_file
from unmask import plot
from unmask.scoring import scored
from wire.errors import UnmaskError
from wire.messages import Score, Verdict
from wire.settings import Settings
from worker.scorer import Scorer

SEVERITY: dict[Verdict, int] = {"unsure": 0, "clean": 1, "suspect": 2, "fake": 3}
INTERRUPTED = 130


def run(files: list[Path], out: Path | None, settings: Settings) -> int:
    """Scan each file; beside it, or in `out`, go NAME.unmask.json and NAME.unmask.png.

    0, 1 if any file failed, 130 where a Ctrl-C came first.
    """
    console = Console(stderr=True)
    done: list[bool] = []
    try:
        scorer = Scorer(settings)
        for file in files:
            done.append(_written(file, out, settings, scorer, console))
    except KeyboardInterrupt:
        console.print(f"unmask: interrupted, {len(done)} of {len(files)} files are done", highlight=False)
        return INTERRUPTED
    return 0 if all(done) else 1


def _written(file: Path, out: Path | None, settings: Settings, scorer: Scorer, console: Console) -> bool:
    """Whether the file could be scanned, and the result written; else why not is told."""
    try:
        result = scan(file, settings, scorer, console)
        target = (out or file.parent) / f"{file.name}.unmask.json"
        write(result, target)
    except UnmaskError as error:
        console.print(f"unmask: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return False
    except OSError as error:
        cause = f"can't write the result ({error.strerror or error})"
        console.print(f"unmask: {cause}: choose a folder with --out", style="red", markup=False, soft_wrap=True)
        return False
    _summary(Console(), file, result, target)
    return True


def scan(file: Path, settings: Settings, scorer: Scorer, console: Console) -> dict[str, Any]:
    """The result for one file. Raises SourceError where it is no video."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    scores: list[Score] = []
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(file.name, total=1.0)
        windows = windows_of_file(file, settings, lambda done: progress.update(task, completed=done))
        for batch in scored(scorer, windows):
            scores += batch.scores
    return describe(file, scores, scorer)


def describe(file: Path, scores: list[Score], scorer: Scorer) -> dict[str, Any]:
    """Scores as the JSON object that is written; times are seconds from the file's start."""
    tracks = sorted({score.track for score in scores})
    faces = [_face(track, [score for score in scores if score.track == track]) for track in tracks]
    verdict = max((face["verdict"] for face in faces), key=lambda name: SEVERITY[name], default="no-face")
    return {
        "file": file.name,
        "verdict": verdict,
        "model": scorer.model,
        "thresholds": {"suspect": scorer.suspect, "fake": scorer.fake},
        "faces": faces,
    }


def _face(track: str, scores: list[Score]) -> dict[str, Any]:
    """One face's timeline, and the verdict on the median of its windows that could be judged."""
    scores = sorted(scores, key=lambda score: score.captured)
    sure = [score for score in scores if score.verdict != "unsure"]
    middle = statistics.median(score.p_fake for score in sure) if sure else None
    # The median's own verdict is that of the window nearest to it: thresholds are the worker's business alone.
    verdict = min(sure, key=lambda score: abs(score.p_fake - (middle or 0))).verdict if sure else "unsure"
    return {
        "track": track,
        "verdict": verdict,
        "p_fake": middle,
        "windows": [
            {
                "start": round(score.started, 3),
                "end": round(score.captured, 3),
                "p_fake": round(score.p_fake, 4),
                "verdict": score.verdict,
                **({"reason": score.reason} if score.reason else {}),
                "box": [round(side, 1) for side in score.box],
            }
            for score in scores
        ],
    }


def write(result: dict[str, Any], target: Path) -> None:
    """The JSON file and the plot beside it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    plot.timeline(result, target.with_suffix(".png"))


def _summary(console: Console, file: Path, result: dict[str, Any], target: Path) -> None:
    colour = {"fake": "bold red", "suspect": "yellow", "clean": "green"}.get(result["verdict"], "dim")
    verdict, name, where = result["verdict"], escape(file.name), escape(str(target))
    console.print(f"[bold]{name}[/]: [{colour}]{verdict}[/] · {where} and .png", highlight=False, soft_wrap=True)
    for face in result["faces"]:
        p = "–" if face["p_fake"] is None else f"{face['p_fake']:.2f}"
        console.print(f"  face {face['track']}: {face['verdict']}, p_fake {p}, {len(face['windows'])} windows")
    if not result["faces"]:
        console.print("  no face was long enough in the picture")
