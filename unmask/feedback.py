"""`unmask export-feedback`: the crops of alerts that an operator has judged, and a manifest of them to train on.

A confirmed alert's crops are fake, a false alarm's are real. All alerts of one track share a group, so that none of its
faces can end up on two sides of a split. What an earlier run wrote stays, also where Redis has forgotten it since; a
verdict that was changed or taken back is followed.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dashboard.archive import safe_name
from unmask import running, server
from wire import bus
from wire.errors import UsageError
from wire.evidence import read
from wire.keys import Keys, literal
from wire.messages import Alert, Evidence, Review
from wire.settings import Settings
from wire.shards import Space

COLUMNS = ("file", "label", "split", "source", "kind", "group", "margin", "alert", "model", "p_fake", "note")
LABELS = {"confirmed": "fake", "false-alarm": "real"}
MANIFEST, CROPS, SOURCE, INTERRUPTED = "manifest.tsv", "crops", "feedback", 130
Line = dict[str, str]


class Judged(NamedTuple):
    """An alert with the operator's word on it."""

    alert: Alert
    review: Review


def run(folder: Path, settings: Settings) -> int:
    """Write what is there; 0, or 1 where the manifest names nothing. Raises UnmaskError."""
    client, url = running.connect(settings)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with server.spaces(settings, client) as spaces:
            lines, counts = collect(spaces.shards, folder, console)
    except redis.RedisError as error:
        raise bus.failed(url, error) from error
    except OSError as error:
        raise UsageError(f"{folder} can't be written ({error.strerror or error})", "choose another DIR") from None
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from there")
        return INTERRUPTED
    finally:
        client.close()
    Console(highlight=False, soft_wrap=True).print(summary(folder / MANIFEST, lines, counts), markup=False)
    if not lines:
        console.print("no alert with crops has been judged: press Confirmed or False alarm on the page first")
    return 0 if lines else 1


def collect(shards: Sequence[Space[redis.Redis]], folder: Path, console: Console) -> tuple[list[Line], Counter[str]]:
    """Bring the folder up to date: the manifest's lines, and how many alerts are new or were skipped, by reason."""
    folder.mkdir(parents=True, exist_ok=True)
    known = read_lines(folder / MANIFEST)
    kept: dict[str, list[Line]] = {}
    for line in known:
        kept.setdefault(line["alert"], []).append(line)
    counts: Counter[str] = Counter()
    found = sorted((id, number) for number, space in enumerate(shards) for id in reviewed(space.bus, space.keys))
    columns = (TextColumn("alerts"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
            for id, number in progress.track(found):
                take(shards[number].bus, shards[number].keys, folder, id, kept, counts)
    finally:  # what was taken until an interruption may be gone from Redis the next time
        lines = [line for id in sorted(kept) for line in kept[id]]
        write_lines(folder / MANIFEST, lines)
    return lines, counts


def reviewed(client: redis.Redis, keys: Keys) -> Iterator[str]:
    """The ids of all alerts with a review."""
    start = keys.review("")
    for key in client.scan_iter(match=f"{literal(start)}*", count=1000):
        yield key.decode(errors="replace").removeprefix(start)


def take(
    client: redis.Redis,
    keys: Keys,
    folder: Path,
    id: str,
    kept: dict[str, list[Line]],
    counts: Counter[str],
) -> None:
    """Bring one alert's lines up to date, and its crops to the disk first."""  # fmt: skip
    judged = look(client, keys, id)
    if judged is None:
        counts["no longer kept"] += id not in kept
        return
    label = LABELS.get(judged.review.verdict)
    if label is None:  # taken back
        if kept.pop(id, None):
            counts["taken back"] += 1
        shutil.rmtree(folder / CROPS / safe_name(id), ignore_errors=True)
        return
    if id in kept:
        kept[id] = [{**line, "label": label, "kind": _kind(label), "note": judged.review.note} for line in kept[id]]
        return
    if not judged.alert.track:
        counts["about a camera, without a face"] += 1
        return
    window = read({b"window": data} if (data := _window(client, keys, id)) else {}, Evidence)
    if window is None:
        counts["without kept evidence"] += 1
        return
    stored = store(folder, id, window)
    kept[id] = [_line(name, label, judged, window, margin) for name, margin in stored]
    counts["new"] += 1


def look(client: redis.Redis, keys: Keys, id: str) -> Judged | None:
    """The alert and its review; None where one of them is gone or can't be read."""
    raw: Any = client.mget(keys.alert(id), keys.review(id))
    alert, review = Alert.read(raw[0]), Review.read(raw[1])
    return Judged(alert, review) if alert and review else None


def _window(client: redis.Redis, keys: Keys, id: str) -> bytes | None:
    try:
        found: Any = client.hget(keys.evidence(id), "window")
    except redis.ResponseError:  # a key of another kind holds no evidence
        return None
    return found if isinstance(found, bytes) else None


def store(folder: Path, id: str, window: Evidence) -> list[tuple[str, float]]:
    """Write an alert's crops, all or none; each one's name relative to the folder, and its margin."""
    place = folder / CROPS / safe_name(id)
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    made = [(f"{number:02}.jpg", window.margin, frame.jpeg) for number, frame in enumerate(window.frames)]
    if window.portrait:
        made.append(("face.jpg", window.portrait.margin, window.portrait.jpeg))
    for name, _, jpeg in made:
        (part / name).write_bytes(jpeg)
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)
    return [(f"{CROPS}/{place.name}/{name}", margin) for name, margin, _ in made]


def _line(name: str, label: str, judged: Judged, window: Evidence, margin: float) -> Line:
    alert = judged.alert
    return {
        "file": name, "label": label, "split": "train", "source": SOURCE, "kind": _kind(label),
        "group": f"{alert.camera}/{alert.track}", "margin": f"{margin:g}", "alert": alert.id, "model": window.model,
        "p_fake": f"{window.p_fake:.4f}", "note": judged.review.note,
    }  # fmt: skip


def _kind(label: str) -> str:
    return "other" if label == "fake" else ""


def read_lines(path: Path) -> list[Line]:
    """The manifest of an earlier run. Raises UsageError for another's manifest."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as table:
        found = csv.DictReader(table, delimiter="\t")
        if tuple(found.fieldnames or ()) != COLUMNS:
            raise UsageError(f"{path} is not of this command", "choose another DIR")
        return [{name: line.get(name) or "" for name in COLUMNS} for line in found]


def write_lines(path: Path, lines: list[Line]) -> None:
    """Replace the manifest at once."""
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: " ".join(value.split()) for name, value in line.items()} for line in lines)
    os.replace(part, path)


def summary(manifest: Path, lines: list[Line], counts: Counter[str]) -> str:
    """What the manifest holds, and what was skipped, in one line."""
    labels = Counter({line["alert"]: line["label"] for line in lines}.values())
    skipped = [f"{count} {why}" for why, count in sorted(counts.items()) if why not in ("new", "taken back") and count]
    parts = [
        f"{manifest}: {labels.total()} alerts ({labels['fake']} confirmed, {labels['real']} false alarms), "
        f"{len(lines)} crops",
        f"{counts['new']} new",
        *([f"{counts['taken back']} taken back"] if counts["taken back"] else []),
        *(["skipped: " + ", ".join(skipped)] if skipped else []),
    ]
    return "; ".join(parts)
