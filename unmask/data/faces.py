"""`unmask data faces`: the faces of a manifest's clips and pictures, found and followed once, into a store."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import NamedTuple, get_args

import av.error
import cv2
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from streamer import models
from streamer.faces import Detector
from streamer.scan import ANALYSIS_FPS
from unmask.data.clips import Run, runs_of_clip, runs_of_pair
from unmask.data.layouts import PICTURES
from unmask.data.pictures import still
from wire.errors import ServiceError, UnmaskError, UsageError
from wire.settings import Settings
from worker.training.manifest import LABELS, Clip, dev_names, read_manifest
from worker.training.store import Pack, Row, Split, Terms, Writer

AHEAD = 16  # clips per process that are worked on or wait for one before them
PICTURES_AT_ONCE = 32
LISTED = 10
LEFT_OUT = "left-out.tsv"


class Plan(NamedTuple):
    """All that a process needs beside the clip."""

    settings: Settings
    choice: models.Choice
    frames: int
    windows: int


class Taken(NamedTuple):
    """What became of one clip."""

    clip: Clip
    crops: list[tuple[Row, bytes]]
    problem: str = ""


def run(
    manifest: Path,
    out: Path | None,
    settings: Settings,
    windows: int,
    frames: int,
    splits: Sequence[str],
    exclude: Path | None,
    processes: int | None,
) -> int:
    """Fill the store, going on where it stands; 0, or 1 where not one face is in it.

    Raises UsageError for a manifest or store that can't be used, ServiceError where a process dies.
    """
    folder = out or manifest.with_suffix(".faces")
    console = Console(stderr=True, markup=False)
    clips, passed = select(read_manifest(manifest), splits, dev_names(exclude) if exclude else set())
    for why, count in passed.items():
        console.print(f"left out: {count} {why}", highlight=False)
    plan = Plan(settings, models.choose(settings.streamer, settings.models), frames, windows)
    if plan.choice.kind == "haar":
        note = "faces come from the Haar cascade, without the points that blending needs"
        console.print(f"no YuNet: {note}", style="yellow", soft_wrap=True)
    with Writer(folder, terms(plan)) as writer:
        todo = unfinished(clips, writer.done, folder)
        try:
            store(todo, writer, plan, processes or os.cpu_count() or 1, console, len(clips))
        except KeyboardInterrupt:
            console.print(f"stopped at {len(writer.done)} of {len(clips)}; the same command goes on from there")
            return 130
    return report(Pack(folder), folder, Console(markup=False))


def terms(plan: Plan) -> Terms:
    """What all crops of a store have in common."""
    window = plan.settings.window
    return {
        "format": 1, "detector": plan.choice.kind, "fps": ANALYSIS_FPS, "frames": plan.frames, "windows": plan.windows,
        "margin": window.crop_margin, "size": window.crop_size, "quality": window.jpeg_quality,
    }  # fmt: skip


def select(clips: Sequence[Clip], splits: Sequence[str], excluded: set[str]) -> tuple[list[Clip], Counter[str]]:
    """The clips that are wanted, and how many are not, by reason. Raises UsageError where nothing is left."""
    known = get_args(Split)
    if wrong := [split for split in splits if split not in known]:
        raise UsageError(f"there is no split {wrong[0]!r}", f"choose among {', '.join(known)}")
    wanted = set(splits or known)
    banned = {clip.group for clip in clips if clip.group in excluded or clip.path.stem in excluded}
    passed: Counter[str] = Counter()
    kept = []
    for clip in clips:
        if clip.label not in LABELS:
            passed[f"labelled {clip.label!r}, none of {', '.join(LABELS)}"] += 1
        elif clip.split not in wanted:
            passed[f"of split {clip.split!r}"] += 1
        elif clip.group in banned:
            passed["whose group has a dev clip of the excluded manifest"] += 1
        else:
            kept.append(clip)
    if not kept:
        raise UsageError("no clip of the manifest is wanted", "use another --split or --exclude")
    return kept, passed


def unfinished(clips: Sequence[Clip], done: dict[str, str], folder: Path) -> list[Clip]:
    """The clips that are not in the store. Raises UsageError where the manifest says something else of one that is."""
    changed = [clip.name for clip in clips if done.get(clip.name, clip.facts) != clip.facts]
    if changed:
        cause = f"{folder} holds {len(changed)} clips of which the manifest now says something else, {changed[0]} first"
        raise UsageError(cause, "choose another --out, or remove that folder")
    return [clip for clip in clips if clip.name not in done]


def store(todo: list[Clip], writer: Writer, plan: Plan, processes: int, console: Console, total: int) -> None:
    """Work through `todo` in its order, so that a store is the same however often it was interrupted."""
    columns = (TextColumn("faces"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("", total=total, completed=total - len(todo))
        for taken in in_order(todo, plan, processes):
            writer.add(taken.clip.name, taken.clip.facts, taken.crops, taken.problem)
            progress.advance(task)


def in_order(todo: Sequence[Clip], plan: Plan, processes: int) -> Iterator[Taken]:
    """Each clip's crops, made by several processes; no more than AHEAD per process are held."""
    batches = iter(batched(todo))
    waiting: deque[tuple[list[Clip], Future[list[Taken]]]] = deque()
    pool = ProcessPoolExecutor(min(processes, max(1, len(todo))), get_context("spawn"), _start, (plan,))
    try:
        for batch in batches:
            waiting.append((batch, pool.submit(_take_all, batch)))
            if len(waiting) >= AHEAD * processes:
                yield from waiting[0][1].result()
                waiting.popleft()
        while waiting:
            yield from waiting[0][1].result()
            waiting.popleft()
    except BrokenProcessPool:
        first = waiting[0][0][0].name if waiting else "the end"
        remedy = "free some memory or use fewer --processes, then run it again: it goes on from there"
        raise ServiceError(f"a process died near {first}", remedy) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def batched(clips: Sequence[Clip]) -> Iterator[list[Clip]]:
    """Clips one by one, pictures by the dozen: handing over costs as much as finding a face in a small one."""
    batch: list[Clip] = []
    for clip in clips:
        if not is_picture(clip) or len(batch) >= PICTURES_AT_ONCE:
            if batch:
                yield batch
            batch = []
        if is_picture(clip):
            batch.append(clip)
        else:
            yield [clip]
    if batch:
        yield batch


def is_picture(clip: Clip) -> bool:
    """Whether it is a picture by its name."""
    return clip.path.suffix.lower() in PICTURES


_plan: Plan | None = None
_detector: Detector | None = None


def _start(plan: Plan) -> None:
    """Make this process ready; it ends with the one that started it, however that ends."""
    global _plan, _detector
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    _plan, _detector = plan, plan.choice.make(plan.settings.streamer)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take_all(clips: list[Clip]) -> list[Taken]:
    assert _plan is not None
    assert _detector is not None
    return [take(clip, _plan, _detector) for clip in clips]


def take(clip: Clip, plan: Plan, detector: Detector) -> Taken:
    """One clip's crops, or what is wrong with it."""
    try:
        crops = _picture(clip, plan, detector) if is_picture(clip) else _clip(clip, plan, detector)
    except (UnmaskError, OSError, ValueError, cv2.error, av.error.FFmpegError) as error:
        reason = getattr(error, "cause", None) or getattr(error, "strerror", None) or str(error)
        return Taken(clip, [], f"unreadable: {' '.join(str(reason).split())}")
    return Taken(clip, crops, "" if crops else "no face")


def _picture(clip: Clip, plan: Plan, detector: Detector) -> list[tuple[Row, bytes]]:
    if clip.label == "pair":
        raise ValueError("a pair has to be a clip")
    found = still(clip.path, detector, plan.settings, clip.margin, clip.box)
    if found is None:
        return []
    row = _row(clip, clip.label == "fake", "")
    return [(msgspec.structs.replace(row, margin=found.margin, points=found.points, size=found.size), found.jpeg)]


def _clip(clip: Clip, plan: Plan, detector: Detector) -> list[tuple[Row, bytes]]:
    facts = clip.path, detector, plan.settings, plan.frames, plan.windows
    if clip.label != "pair":
        return _rows(_row(clip, clip.label == "fake", ""), runs_of_clip(*facts), plan, "")
    real, fake, together = runs_of_pair(*facts)
    instant = clip.name if together else ""
    return _rows(_row(clip, False, "#real"), real, plan, instant) + _rows(
        _row(clip, True, "#fake"), fake, plan, instant
    )


def _row(clip: Clip, fake: bool, part: str) -> Row:
    """A row of this clip but for what differs from crop to crop."""
    kind = clip.kind if fake else ""
    split: Split = msgspec.convert(clip.split, Split)
    return Row(f"{clip.name}{part}", clip.source, int(fake), clip.group, split, 0.0, person=clip.person, kind=kind)


def _rows(row: Row, runs: Sequence[Run], plan: Plan, instant: str) -> list[tuple[Row, bytes]]:
    window = plan.settings.window
    return [
        (msgspec.structs.replace(row, margin=window.crop_margin, size=window.crop_size, points=crop.points,
                                 window=number, pair=f"{instant}:{number}:{k}" if instant else ""), crop.jpeg)
        for number, run in enumerate(runs)
        for k, crop in enumerate(run)
    ]  # fmt: skip


def report(pack: Pack, folder: Path, console: Console) -> int:
    """Print what a store holds and what could not be stored; 1 where that is everything."""
    table = Table(box=None, pad_edge=False)
    for name in ("source", "split", "real", "fake", "clips", "with points"):
        table.add_column(name, justify="left" if name in ("source", "split") else "right")
    for source, split in sorted({(row.source, row.split) for row in pack.rows}):
        rows = [row for row in pack.rows if (row.source, row.split) == (source, split)]
        fakes = sum(row.label for row in rows)
        named = len({row.name for row in rows}), sum(row.points is not None for row in rows)
        table.add_row(escape(source), split, *(str(count) for count in (len(rows) - fakes, fakes, *named)))
    console.print(table, highlight=False)
    bad = [entry for entry in pack.entries if entry.problem]
    (folder / LEFT_OUT).write_text("".join(f"{entry.name}\t{entry.problem}\n" for entry in bad), encoding="utf-8")
    for why, count in Counter(entry.problem.partition(":")[0] for entry in bad).items():
        console.print(f"{why}: {count}", style="yellow", highlight=False, markup=False)
    for entry in bad[:LISTED]:
        console.print(f"  {entry.name}: {entry.problem}", highlight=False, markup=False, soft_wrap=True)
    if len(bad) > LISTED:
        more = f"  and {len(bad) - LISTED} more, all in {folder / LEFT_OUT}"
        console.print(more, highlight=False, markup=False, soft_wrap=True)
    size = sum(row.length for row in pack.rows) / 1e6
    console.print(f"{folder}: {len(pack.rows)} crops, {size:.1f} MB", highlight=False, markup=False, soft_wrap=True)
    return 0 if pack.rows else 1
