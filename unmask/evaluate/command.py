"""The command: a manifest's clips through the serving path, then figures to standard output and a report folder."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from platformdirs import user_cache_dir
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streamer import models
from unmask.evaluate import figures, table
from unmask.evaluate.cache import WindowCache
from unmask.evaluate.items import Item, Skipped, items_of, of_split, select
from unmask.evaluate.videos import Video, find, judge
from wire.errors import ServiceError, SourceError, UsageError
from wire.messages import Window
from wire.settings import Settings
from worker.checkpoint import DEFAULT, Measured
from worker.encoding import Unscorable
from worker.scorer import Scorer
from worker.training.export import note
from worker.training.manifest import read_manifest

FINDERS = 2  # files whose faces are looked for at once, while another's are scored


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be evaluated, and where the results go."""

    data: Path
    model: Path | None = None
    split: str | None = None
    sources: Sequence[str] = ()
    reals_from: Sequence[str] = ()
    as_json: bool = False
    report: Path | None = None
    cache: Path | None = None  # the folder of windows; None: the user's cache
    keep: bool = True  # whether there is one at all
    robust: bool = False  # whether attacks and rough handling are measured instead
    store: str | None = None  # name under which the video AUC goes into the checkpoint's metadata


def run(request: Request, settings: Settings) -> int:
    """Evaluate and print; 1 when nothing could be scored. Raises UnmaskError."""
    console = Console(stderr=True)
    clips = of_split(read_manifest(request.data), request.split)
    if not clips:
        raise UsageError(f"manifest {request.data}: no clip in it", "add a line per clip")
    items, skipped = items_of(select(clips, request.sources, request.reals_from))
    if request.model:
        worker = settings.worker.model_copy(update={"checkpoint": request.model})
        settings = settings.model_copy(update={"worker": worker})
    settings = settings.model_copy(update={"window": settings.window.whole})  # probes and attacks want the surroundings
    if request.report:
        _make(request.report, "--report")
    choice = models.choose(settings.streamer, settings.models)
    if choice.why:
        console.print(f"faces by {choice.kind}: {choice.why}", style="yellow", highlight=False, markup=False)
    cache = _cache(request, settings, choice)
    if request.robust:
        from unmask.evaluate import robust

        code = robust.run(items, settings, cache, choice, request.as_json)
        cache.prune()
        return code
    scorer = Scorer(settings)
    began = time.monotonic()
    videos, bad = measure(items, settings, choice, cache, scorer, console, keep_strips=request.report is not None)
    cache.prune()
    result = describe(request, scorer, choice.kind, videos, list(dict.fromkeys(skipped + bad)))
    result["seconds"] = round(time.monotonic() - began, 1)
    if request.report:
        from unmask.evaluate import report

        report.write(request.report, result, videos)
        console.print(f"report: {request.report / 'index.html'}", highlight=False, markup=False, soft_wrap=True)
    if request.store and (found := result["video"]["auc"]):
        note(settings.worker.checkpoint or DEFAULT, {request.store: Measured(**found)})
    if request.as_json:
        sys.stdout.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
    else:
        table.show(result, Console())
    if not any(video.score is not None for video in videos):
        console.print("unmask: nothing could be scored: see 'skipped' and 'no_face'", style="red", highlight=False)
        return 1
    return 0


def _make(folder: Path, option: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(f"can't write to {folder} ({error.strerror})", f"name another with {option}") from None


def _cache(request: Request, settings: Settings, choice: models.Choice) -> WindowCache:
    if not request.keep:
        return WindowCache(None, settings, choice)
    folder = request.cache or Path(user_cache_dir("unmask")) / "windows"
    try:
        return WindowCache(folder, settings, choice)
    except OSError as error:
        if request.cache:
            raise ServiceError(f"can't write to {folder} ({error.strerror})", "name another with --cache") from None
        return WindowCache(None, settings, choice)


def measure(
    items: Sequence[Item],
    settings: Settings,
    choice: models.Choice,
    cache: WindowCache,
    scorer: Scorer,
    console: Console,
    keep_strips: bool = False,
) -> tuple[list[Video], list[Skipped]]:
    """Every item scored, in order; the next ones' faces are looked for meanwhile."""
    videos, skipped = list[Video](), list[Skipped]()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress,
        ThreadPoolExecutor(min(FINDERS, os.cpu_count() or 1), thread_name_prefix="faces") as pool,
    ):
        task = progress.add_task("", total=len(items))
        for item, found in _ahead(pool, items, lambda item: find(item, settings, choice, cache)):
            progress.update(task, description=item.path.name)
            try:
                videos.append(judge(item, found.result(), scorer, keep_strips))
            except SourceError as error:
                skipped.append(Skipped(item.file, f"{error.kind} ({error.reason})"))
            except (OSError, Unscorable) as error:
                skipped.append(Skipped(item.file, getattr(error, "strerror", None) or str(error)))
            progress.advance(task)
    return videos, skipped


def _ahead(
    pool: ThreadPoolExecutor, items: Sequence[Item], work: Callable[[Item], list[Window]]
) -> Iterator[tuple[Item, Future[list[Window]]]]:
    """Items with their results to come, a few begun in advance: all at once would hold every clip's crops."""
    waiting: deque[tuple[Item, Future[list[Window]]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(work, item)))
        if len(waiting) > FINDERS:
            yield waiting.popleft()
    yield from waiting


def describe(
    request: Request, scorer: Scorer, detector: str, videos: Sequence[Video], skipped: Sequence[Skipped]
) -> dict[str, Any]:
    """The JSON object."""
    found = figures.evaluate(videos)
    found["counts"]["skipped"] = len(skipped)
    return {
        "model": scorer.model,
        "manifest": str(request.data),
        "split": request.split,
        "sources": list(request.sources),
        "reals_from": list(request.reals_from),
        "detector": detector,
        "temperature": scorer.temperature,
        "thresholds": {"suspect": scorer.suspect, "fake": scorer.fake},
        **found,
        "skipped": [{"file": one.file, "reason": one.reason} for one in skipped],
        "videos": [figures.listed(video) for video in videos],
    }
