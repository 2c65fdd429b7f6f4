"""Runs the grid: while one stream is analysed, the next is being made, so two cores have work."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamer import models
from unmask.live import replay, schedule, stream, trade
from unmask.live.conditions import Condition
from unmask.live.schedule import Camera
from unmask.live.stream import Sent
from unmask.live.trade import Balance, Point
from wire.errors import UsageError
from wire.settings import CameraSettings, Settings
from worker.commit import Work
from worker.level import Rules
from worker.scorer import Scorer
from worker.training.manifest import Clip, read_manifest

HOLD_STRIDES = 2  # a verdict stands until the next window, at most this many strides
Watched = dict[str, list[Work]]  # camera -> its scored windows


class Found(msgspec.Struct, frozen=True):
    """What was measured under one condition, on these cameras."""

    condition: Condition
    cameras: tuple[Camera, ...]
    sent: Sent
    balance: Balance
    windows: int
    coverage: float
    curve: tuple[Point, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. `cameras` are all there are; a condition watches the first of them."""

    model: str
    detector: str
    rules: Rules
    manifest: str
    split: str
    seed: int
    cameras: tuple[Camera, ...]
    left_out: tuple[str, ...]  # clips too short to be shown
    found: tuple[Found, ...]
    wall_s: float


def measure(
    settings: Settings, manifest: Path, split: str, grid: Sequence[tuple[Condition, float]], seed: int
) -> Result:
    """Every condition of `grid`, for its minutes, on one schedule. Raises UnmaskError."""
    began = time.monotonic()
    clips = _clips(manifest, split)
    scorer = Scorer(settings)
    detector = models.choose(settings.streamer, settings.models).kind
    # Said once and for all: where YuNet can't be had, not every stream is to ask the network for it.
    streamer = settings.streamer.model_copy(update={"detector": detector})
    settings = settings.model_copy(update={"streamer": streamer})
    shows, short = stream.shows(clips)
    cameras = tuple(schedule.plan(shows, max(minutes for _, minutes in grid), seed))
    rules = Rules.of(settings.alerts, scorer.suspect, scorer.fake)
    parts = {condition: cameras[: schedule.watched(minutes)] for condition, minutes in grid}
    sent, works = _watch(parts, settings, scorer, seed)
    found = (_account(one, parts[one], works[one], sent[one], rules, settings) for one in parts)
    return Result(
        model=scorer.model,
        detector=detector,
        rules=rules,
        manifest=manifest.name,
        split=split,
        seed=seed,
        cameras=cameras,
        left_out=tuple(path.name for path in short),
        found=tuple(found),
        wall_s=time.monotonic() - began,
    )


def _watch(
    parts: Mapping[Condition, Sequence[Camera]], settings: Settings, scorer: Scorer, seed: int
) -> tuple[dict[Condition, Sent], dict[Condition, Watched]]:
    """Make and watch every stream; what was sent, and the scored windows."""
    jobs = list(_jobs(parts))
    sent = dict.fromkeys(parts, Sent())
    works: dict[Condition, Watched] = {condition: {} for condition in parts}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory(prefix="unmask-live-") as folder,
        ThreadPoolExecutor(1) as maker,
        Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
    ):
        total = sum(len(conditions) for _, conditions in jobs)
        task, done = progress.add_task("", total=total), 0
        ahead = maker.submit(stream.write, *jobs[0], Path(folder), seed)
        for number, (camera, _) in enumerate(jobs):
            made = ahead.result()
            if number + 1 < len(jobs):
                ahead = maker.submit(stream.write, *jobs[number + 1], Path(folder), seed)
            for condition, one in made.items():
                name = f"{condition.name} {camera.name}"
                progress.update(task, description=name)
                if progress.disable:  # no terminal: a line for each stream, for who reads a log
                    progress.console.print(f"{done + 1}/{total} {name}", highlight=False)
                advance = partial(_advance, progress, task, done)
                works[condition][camera.name] = replay.watch(one.path, settings, scorer, advance)
                sent[condition] += one.sent
                done += 1
                one.path.unlink()
    return sent, works


def _jobs(parts: Mapping[Condition, Sequence[Camera]]) -> Iterator[tuple[Camera, list[Condition]]]:
    """Camera by camera the conditions it is watched under, those together that share an encoded stream."""
    for camera in max(parts.values(), key=len):
        alike: dict[tuple[int, int, int], list[Condition]] = defaultdict(list)
        for condition, cameras in parts.items():
            if camera in cameras:
                alike[condition.encoding].append(condition)
        for conditions in alike.values():
            yield camera, conditions


def _advance(progress: Progress, task: TaskID, done: int, part: float) -> None:
    progress.update(task, completed=done + part)


def _clips(manifest: Path, split: str) -> list[Clip]:
    """The clips of `split`. Raises ManifestError for what is no manifest, UsageError for one that has no such clips."""
    clips = read_manifest(manifest)
    chosen = [clip for clip in clips if clip.split == split]
    if not chosen:
        known = ", ".join(sorted({clip.split for clip in clips})) or "none"
        raise UsageError(f"no clip of split {split!r} in {manifest}", f"splits there: {known}")
    return chosen


def _account(
    condition: Condition,
    cameras: Sequence[Camera],
    works: Watched,
    sent: Sent,
    rules: Rules,
    settings: Settings,
) -> Found:
    def under(these: Rules) -> Balance:
        return trade.balance(
            cameras, {name: trade.openings(replay.alarms(part, these)) for name, part in works.items()}
        )

    scores = [work.score for part in works.values() for work in part if work.score]
    sure = [score.p_fake for score in scores if score.verdict != "unsure"]
    tried = [trade.shifted(rules, enter) for enter in trade.thresholds(sure, rules.enter)]
    verdicts = {
        name: [(work.window.enqueued, work.score is not None and work.score.verdict != "unsure") for work in part]
        for name, part in works.items()
    }
    stride_s = settings.window.stride / CameraSettings(url="-").analysis_fps
    return Found(
        condition=condition,
        cameras=tuple(cameras),
        sent=sent,
        balance=under(rules),
        windows=len(scores),
        coverage=trade.coverage(cameras, verdicts, HOLD_STRIDES * stride_s),
        curve=tuple(trade.point(under(these), these) for these in tried),
    )
