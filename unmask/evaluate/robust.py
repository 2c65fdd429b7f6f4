"""`unmask evaluate --robust`: what attacks on the picture, and rough handling of it, change.

Of each video one whole window, the middle one of its longest track. Handling (recompression, resizing, noise, covering)
is done to the crops of real and fake videos alike; an attack, which knows the weights, either lets fakes pass for real
(`evade`, reals untouched) or makes real faces fakes (`accuse`, fakes untouched).
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import cv2
import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from streamer import models
from unmask.evaluate.cache import WindowCache
from unmask.evaluate.figures import Found, plain
from unmask.evaluate.items import Item, Skipped
from unmask.evaluate.table import percent, text
from unmask.evaluate.videos import find
from wire.errors import SourceError
from wire.messages import Window
from wire.settings import Settings
from worker import checkpoint
from worker.calibration import probability
from worker.features import Feature
from worker.model import Detector
from worker.preprocess import Image, Pixels, decode
from worker.scorer import Scorer
from worker.training import metrics
from worker.training.attack import Attack, attack
from worker.training.degrade import KEY_EVERY, h264, jpeg

Handle = Callable[[list[Image], np.random.Generator], list[Image]]
ATTACKS = (Attack(2, 1), Attack(8, 1), Attack(2, 10), Attack(8, 10))
GREY = 128  # what covers


class Case(NamedTuple):
    """One video's window, and whose it is."""

    item: Item
    window: Window


class Row(msgspec.Struct, frozen=True):
    """One condition. Shares and means are of the videos' windows; intervals draw whole groups."""

    condition: str
    aim: Literal["", "evade", "accuse"]
    auc: Found
    fakes_called_fake: Found
    reals_called_fake: Found
    mean_p_fakes: float
    mean_p_reals: float


def recompressed(quality: int) -> Handle:
    """Through another JPEG."""
    return lambda images, _: [jpeg(image, quality) for image in images]


def streamed(crf: int) -> Handle:
    """Through H.264."""
    return lambda images, _: h264(images, crf, KEY_EVERY)


def resized(share: float) -> Handle:
    """Made smaller and as large as before."""

    def apply(images: list[Image], _: np.random.Generator) -> list[Image]:
        side = images[0].shape[0]
        small = max(8, round(share * side))
        made = []
        for image in images:
            less = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
            made.append(np.asarray(cv2.resize(less, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8))
        return made

    return apply


def noisy(sigma: float) -> Handle:
    """Gaussian noise, in grey levels, another for each frame."""

    def apply(images: list[Image], rng: np.random.Generator) -> list[Image]:
        return [np.clip(image + rng.normal(0, sigma, image.shape), 0, 255).astype(np.uint8) for image in images]

    return apply


def covered(share: float, face: float) -> Handle:
    """A grey square over `share` of the face, which is the middle `face` of the crop's side; the same in all frames."""

    def apply(images: list[Image], rng: np.random.Generator) -> list[Image]:
        whole = images[0].shape[0]
        side = round(face * whole * share**0.5)
        low, high = round((1 - face) / 2 * whole), round((1 + face) / 2 * whole) - side
        top, left = rng.integers(low, max(low, high) + 1, 2)
        made = [image.copy() for image in images]
        for image in made:
            image[top : top + side, left : left + side] = GREY
        return made

    return apply


def handlings(face: float) -> dict[str, Handle]:
    """What is done to pictures on their way, by name; `face` is the part of the crop's side that the network sees."""
    return {
        **{f"JPEG {quality}": recompressed(quality) for quality in (75, 50, 30)},
        **{f"H.264 CRF {crf}": streamed(crf) for crf in (28, 40)},
        **{f"resized to {share:.0%} and back": resized(share) for share in (0.5, 0.25)},
        **{f"noise, sigma {sigma}": noisy(sigma) for sigma in (4, 8, 16)},
        **{f"{share:.0%} of the face covered": covered(share, face) for share in (0.1, 0.25, 0.5)},
    }


def run(items: Sequence[Item], settings: Settings, cache: WindowCache, choice: models.Choice, as_json: bool) -> int:
    """Measure and print; 1 when no video has a whole window. Raises UnmaskError."""
    console = Console(stderr=True)
    scorer = Scorer(settings)
    cases, skipped = gather(items, settings, cache, choice, scorer.config.frames, console)
    if not cases:
        console.print("unmask: no video has a whole window", style="red", highlight=False)
        return 1
    model, _ = checkpoint.load(settings.worker.checkpoint or checkpoint.DEFAULT)
    rows = measure(cases, scorer, model.eval(), console)
    if as_json:
        found = {
            "model": scorer.model, "videos": len(cases), "fake": sum(case.item.label for case in cases),
            "thresholds": {"suspect": scorer.suspect, "fake": scorer.fake},
            "rows": msgspec.to_builtins(rows), "skipped": [{"file": s.file, "reason": s.reason} for s in skipped],
        }  # fmt: skip
        sys.stdout.write(json.dumps(found, indent=2, allow_nan=False) + "\n")
    else:
        Console().print(table(rows))
    return 0


def gather(
    items: Sequence[Item], settings: Settings, cache: WindowCache, choice: models.Choice, frames: int, console: Console
) -> tuple[list[Case], list[Skipped]]:
    """The videos' windows, and the videos that have none."""
    cases, skipped = list[Case](), list[Skipped]()
    for item in track(items, "faces", console=console, transient=True, disable=not sys.stderr.isatty()):
        try:
            window = middle(find(item, settings, choice, cache), frames)
        except SourceError as error:
            skipped.append(Skipped(item.file, f"{error.kind} ({error.reason})"))
            continue
        except OSError as error:
            skipped.append(Skipped(item.file, error.strerror or str(error)))
            continue
        if window is None:
            skipped.append(Skipped(item.file, "no whole window"))
        else:
            cases.append(Case(item, window))
    return cases, skipped


def middle(windows: Sequence[Window], frames: int) -> Window | None:
    """The middle one of the whole windows of the track that has the most."""
    whole = [window for window in windows if len(window.frames) == frames]
    if not whole:
        return None
    [(longest, _)] = Counter(window.track for window in whole).most_common(1)
    own = [window for window in whole if window.track == longest]
    return own[len(own) // 2]


def measure(cases: Sequence[Case], scorer: Scorer, model: Detector, console: Console) -> list[Row]:
    """A row for each condition; the cases, one at least, are cut alike."""
    known = handlings(scorer.seen_share(cases[0].window.margin))
    labels = np.array([case.item.label for case in cases])
    clean = np.full(len(cases), np.nan)
    handled = {name: clean.copy() for name in known}
    attacked = {how: clean.copy() for how in ATTACKS}
    watched = track(list(enumerate(cases)), "videos", console=console, transient=True, disable=not sys.stderr.isatty())
    for number, case in watched:
        crops = [frame.jpeg for frame in case.window.frames]
        clean[number] = scorer.infer([case.window], {}).logits[0]
        images = [decode(crop) for crop in crops]
        for name, handle in known.items():
            handled[name][number] = _logit(scorer, case.window, handle(images, np.random.default_rng(number)))
        seen = scorer.pixels(crops, case.window.margin)
        for how in ATTACKS:
            towards: Literal["real", "fake"] = "real" if case.item.label else "fake"
            made = attack(model, seen, how, towards, seed=number)
            attacked[how][number] = scorer.logits([_features(scorer, made)])[0]
    rows = [_row("as it comes", "", clean, cases, scorer)]
    rows += [_row(name, "", logits, cases, scorer) for name, logits in handled.items()]
    for how, logits in attacked.items():
        rows.append(_row(how.name, "evade", np.where(labels == 1, logits, clean), cases, scorer))
        rows.append(_row(how.name, "accuse", np.where(labels == 0, logits, clean), cases, scorer))
    return rows


def table(rows: Sequence[Row]) -> Table:
    """For people."""
    made = Table("condition", "AUC", "fakes called fake", "reals called fake", "mean p: fakes / reals")
    for row in rows:
        name = f"{row.condition}, {row.aim}" if row.aim else row.condition
        means = f"{row.mean_p_fakes:.2f} / {row.mean_p_reals:.2f}"
        made.add_row(name, text(row.auc), percent(row.fakes_called_fake), percent(row.reals_called_fake), means)
    return made


def _features(scorer: Scorer, images: Pixels) -> list[Feature]:
    return [one for at in range(0, len(images), scorer.chunk) for one in scorer.encode(images[at : at + scorer.chunk])]


def _logit(scorer: Scorer, window: Window, images: Sequence[Image]) -> float:
    """The window with other pictures, through the streamer's own JPEG as always."""
    frames = tuple(
        msgspec.structs.replace(frame, jpeg=cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
        for frame, image in zip(window.frames, images, strict=True)
    )
    return scorer.infer([msgspec.structs.replace(window, frames=frames)], {}).logits[0]


def _row(
    name: str, aim: Literal["", "evade", "accuse"], logits: metrics.Array, cases: Sequence[Case], scorer: Scorer
) -> Row:
    labels = np.array([case.item.label for case in cases], np.int64)
    groups = [case.item.group for case in cases]
    p = np.array([probability(float(logit), scorer.temperature) for logit in logits])

    def share(label: int) -> Found:
        own = np.flatnonzero(labels == label)
        called = p[own] >= scorer.fake
        return plain(metrics.share_figure(called, [groups[i] for i in own], metrics.DRAWS)) if len(own) else None

    auc = plain(metrics.auc_figure(logits, labels, groups, metrics.DRAWS)) if len(set(labels)) == 2 else None
    means = [float(p[labels == label].mean()) if (labels == label).any() else 0.0 for label in (1, 0)]
    return Row(name, aim, auc, share(1), share(0), round(means[0], 4), round(means[1], 4))
