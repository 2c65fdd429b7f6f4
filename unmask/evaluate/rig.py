"""`python -m unmask.evaluate.rig`: what enrolment does on cameras that several people sat before.

A manifest's sources are the cameras here, so name one whose sources are rigs. A reference is made of some real clips
and tried on others through the serving path: of the same person, of other people before the same camera, and on fakes
of those. Only other people tell whether the camera is learnt or the person. A shift changes nothing within the ranking
of one camera; it can change what passes the shipped thresholds, and the ranking over several cameras.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, stdev
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from streamer.scan import windows_of_file
from unmask.scoring import scored
from wire import settings as settings_of
from wire.errors import UnmaskError, UsageError
from wire.settings import Settings
from worker import checkpoint
from worker.calibration import probability
from worker.checkpoint import DEFAULT, Meta, Typical
from worker.reference import Gathered, limit, shift
from worker.scorer import Scorer
from worker.training.manifest import Clip, read_manifest
from worker.training.metrics import Array, Figure, Labels, bootstrap, roc, roc_auc, share_figure, tpr_at

app = typer.Typer(add_completion=False)
HOW = ("none", "reference", "whole")


class Seen(NamedTuple):
    """The sure windows of one clip."""

    camera: str
    person: str
    fake: bool
    logits: tuple[float, ...]


class Case(NamedTuple):
    """A reference's clips, how many people they show, and the clips it is tried on."""

    enrolled: list[Seen]
    people: int
    tried: list[Seen]


class Tried(NamedTuple):
    """Every window of every case that was tried: its p_fake, 1 for a fake, and who it shows."""

    p: Array
    labels: Labels
    groups: list[str]


class Outcome(msgspec.Struct, frozen=True):
    """Shares of windows at the checkpoint's thresholds, and the ranking over all cameras; people are drawn whole."""

    auc: Figure
    auc_gain: Figure  # over no reference, of the same draws
    tpr_at_5fpr: Figure
    real_suspect: Figure
    real_fake: Figure
    fake_suspect: Figure
    fake_fake: Figure


def seen_in(clip: Clip, person: str, scorer: Scorer, settings: Settings) -> Seen:
    """One clip through the serving path. Raises SourceError."""
    batches = scored(scorer, windows_of_file(clip.path, settings))
    logits = tuple(score.logit for batch in batches for score in batch.scores if score.verdict != "unsure")
    return Seen(clip.source, person, clip.label == "fake", logits)


def person_of(clip: Clip, pattern: str) -> str:
    """The manifest's person, else what the pattern finds in the clip's name and description, else its group."""
    match = re.search(pattern, f"{clip.name} {clip.shows}") if pattern else None
    return clip.person or (match[0] if match else clip.group)


def same_person(clips: Sequence[Seen]) -> Iterator[Case]:
    """Every second real clip of a person enrolled; the others, and all fakes of that person, tried."""
    for own in _by_person(clips):
        reals = [clip for clip in own if not clip.fake]
        if len(reals) > 1:
            yield Case(reals[::2], 1, reals[1::2] + [clip for clip in own if clip.fake])


def one_enrolled(clips: Sequence[Seen]) -> Iterator[Case]:
    """Each person of a camera enrolled, everybody else before it tried."""
    for own in _by_person(clips):
        others = [clip for clip in clips if clip.camera == own[0].camera and clip.person != own[0].person]
        if others:
            yield Case([clip for clip in own if not clip.fake], 1, others)


def all_others_enrolled(clips: Sequence[Seen]) -> Iterator[Case]:
    """Each person of a camera tried, with everybody else before it enrolled."""
    for own in _by_person(clips):
        others = [clip for clip in clips if clip.camera == own[0].camera and clip.person != own[0].person]
        if others:
            yield Case([clip for clip in others if not clip.fake], len({clip.person for clip in others}), own)


def _by_person(clips: Sequence[Seen]) -> Iterator[list[Seen]]:
    for camera, person in sorted({(clip.camera, clip.person) for clip in clips}):
        yield [clip for clip in clips if (clip.camera, clip.person) == (camera, person)]


def tried(cases: Sequence[Case], meta: Meta, real: Typical, how: str) -> Tried:
    """All cases with their references, with none, or moved by the whole difference without any restraint.

    A reference counts as made in as many minutes as there are people: the clips are short.
    """
    p, labels, groups = list[float](), list[int](), list[str]()
    for case in cases:
        gathered = Gathered({str(i): list(clip.logits) for i, clip in enumerate(case.enrolled)})
        reference = gathered.reference("", meta.model_id, 0.0, float(case.people), real)
        moved = {"none": 0.0, "reference": shift(reference, meta.model_id, limit(meta)),
                 "whole": reference.expected - reference.median}[how]  # fmt: skip
        for clip in case.tried:
            p += [probability(logit + moved, meta.temperature) for logit in clip.logits]
            labels += [int(clip.fake)] * len(clip.logits)
            groups += [f"{clip.camera}/{clip.person}"] * len(clip.logits)
    return Tried(np.array(p), np.array(labels), groups)


def outcome(one: Tried, without: Tried, meta: Meta) -> Outcome:
    """What came of the cases, against the same cases without a reference."""

    def share(threshold: float, fake: int) -> Figure:
        chosen = np.flatnonzero(one.labels == fake)
        return share_figure(one.p[chosen] >= threshold, [one.groups[i] for i in chosen])

    def ranked(weights: Array) -> list[Array]:
        curve = roc(one.p, one.labels, weights)
        gain = roc_auc(curve) - roc_auc(roc(without.p, one.labels, weights))
        return [roc_auc(curve), gain, tpr_at(curve, 0.05)]

    auc, gain, found = bootstrap(ranked, one.groups)
    suspect, sure = meta.thresholds.suspect.p, meta.thresholds.fake.p
    return Outcome(
        auc=auc,
        auc_gain=gain,
        tpr_at_5fpr=found,
        real_suspect=share(suspect, 0),
        real_fake=share(sure, 0),
        fake_suspect=share(suspect, 1),
        fake_fake=share(sure, 1),
    )


def report(clips: Sequence[Seen], meta: Meta) -> dict[str, object]:
    """Everything, as plain JSON types. Raises UsageError where the checkpoint has nothing to compare with."""
    real = meta.real
    if real is None:
        raise UsageError(
            f"{meta.model_id} does not say what real windows give", "add it: python -m worker.training real"
        )
    cameras = {}
    for camera in sorted({clip.camera for clip in clips}):
        people = [
            median(logit for clip in own if not clip.fake for logit in clip.logits)
            for own in _by_person([clip for clip in clips if clip.camera == camera])
            if any(not clip.fake for clip in own)
        ]
        middle, between = median(people) if people else None, stdev(people) if len(people) > 1 else None
        cameras[camera] = {"people": len(people), "median": middle, "people_sd": between}
    found: dict[str, object] = {"model": meta.model_id, "expected": real, "limit": limit(meta), "cameras": cameras}
    for name, regime in (("same_person", same_person), ("other_people_one_enrolled", one_enrolled),
                         ("other_people_rest_enrolled", all_others_enrolled)):  # fmt: skip
        cases = [case for case in regime(clips) if case.enrolled]
        if {clip.fake for case in cases for clip in case.tried} == {False, True}:
            without = tried(cases, meta, real, "none")
            outcomes = {how: outcome(tried(cases, meta, real, how), without, meta) for how in HOW}
            found[name] = {"references": len(cases), **outcomes}
    return found


@app.command()
def main(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST")],
    person: Annotated[str, typer.Option(metavar="REGEX", help="Finds the person in a clip's name or `shows`.")] = "",
    model: Annotated[Path, typer.Option(help="The checkpoint to measure.")] = DEFAULT,
) -> None:
    """Measure enrolment on a manifest of real clips and fakes of them, such as `unmask data fakes` writes: JSON."""
    loaded = settings_of.load(None)
    settings = loaded.model_copy(update={"worker": loaded.worker.model_copy(update={"checkpoint": model})})
    scorer, seen = Scorer(settings), list[Seen]()
    for clip in track(read_manifest(manifest), "clips", console=Console(stderr=True)):
        seen.append(seen_in(clip, person_of(clip, person), scorer, settings))
    facts = report([clip for clip in seen if clip.logits], checkpoint.describe(model))
    typer.echo(msgspec.json.format(msgspec.json.encode(facts), indent=2).decode())


if __name__ == "__main__":
    try:
        app()
    except UnmaskError as error:
        sys.exit(f"unmask: {error}")
