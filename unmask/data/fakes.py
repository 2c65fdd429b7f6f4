"""`unmask data fakes`: a fixed, seeded set of clips to be measured on, made from the real clips of a manifest.

Of every real clip there is the clip itself, a self-blend of it and a self-driven copy: the same frames, of which one
region of the face was replaced (`worker.training.drive`). All are encoded alike, so only the replacement tells them
apart. What `unmask evaluate` says of them is how well blends and puppetry of people never trained on are found.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import av.error
import cv2
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from streamer import models
from streamer.faces import Detector, Face
from streamer.pixels import Picture
from streamer.scan import opened
from streamer.tracking import iou, longer
from unmask.data.clips import halves
from wire.errors import SourceError, UsageError
from wire.settings import Settings
from worker.training.drive import driven, trembling
from worker.training.manifest import Clip, read_manifest
from worker.training.store import Points

Array = npt.NDArray[np.float64]

FPS, HEIGHT, LONGEST_S = Fraction(25, 2), 480, 6.0  # of what is made
SHORTEST = 16  # frames that show the face
MARGIN = 1.7  # of the square that is worked on, in units of max(w, h) of the face
CRF = (20, 24, 28)
COLUMNS = ("file", "label", "split", "source", "kind", "group", "shows")


class Seen(NamedTuple):
    """One picture and the face in it."""

    picture: Picture
    face: Face


def run(manifest: Path, out: Path, split: str, settings: Settings, seed: int) -> int:
    """Write the clips and their manifest to `out`; 0, or 1 where no real clip could be used. Raises UsageError."""
    console = Console(stderr=True, markup=False)
    clips = [clip for clip in read_manifest(manifest) if clip.split == split and clip.label in ("real", "pair")]
    if not clips:
        raise UsageError(f"{manifest} has no real clip in split {split!r}", "choose another --split")
    choice = models.choose(settings.streamer, settings.models)
    if choice.kind == "haar":
        raise UsageError("blending needs YuNet's five points", "docs/configuration.md says how YuNet is found")
    detector, lines = choice.make(settings.streamer), []
    out.mkdir(parents=True, exist_ok=True)
    for clip in track(clips, "fakes", console=console):
        try:
            lines += of_clip(clip, out, split, detector, seed)
        except (SourceError, av.error.FFmpegError) as error:
            console.print(f"left out: {error}", style="yellow", markup=False, soft_wrap=True)
    with (out / "manifest.tsv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, delimiter="\t", lineterminator="\n")
        writer.writerows([COLUMNS, *lines])
    said = f"{out / 'manifest.tsv'}: {len(lines)} clips of {len(lines) // 3} real ones"
    console.print(said, highlight=False, markup=False)
    return 0 if lines else 1


def of_clip(clip: Clip, out: Path, split: str, detector: Detector, seed: int) -> list[tuple[str, ...]]:
    """The three clips made of one, and their lines of the manifest; none where the face is not seen long enough."""
    seen = faces_of(clip, detector)
    if len(seen) < SHORTEST:
        return []
    name = hashlib.sha256(f"{clip.source}/{clip.name}".encode()).hexdigest()[:12]
    rng = np.random.default_rng((seed, int(name, 16)))
    coarse, crf = bool(rng.random() < 0.5), int(rng.choice(CRF))
    squares, points, corners = worked_on(seen)
    rate = float(FPS)
    made = {
        "": squares,
        "blend-coarse" if coarse else "blend-subtle": trembling(squares, points, rng, coarse),
        "driven": driven(squares, points, rng, rate),
    }
    lines: list[tuple[str, ...]] = []
    for kind, squares_made in made.items():
        file = f"{name}-{kind or 'real'}.mp4"
        pictures = [put(one.picture, square, at) for one, square, at in zip(seen, squares_made, corners, strict=True)]
        encode(pictures, out / file, crf)
        lines.append((file, "fake" if kind else "real", split, clip.source, kind, name, f"made of {clip.name}"))
    return lines


def faces_of(clip: Clip, detector: Detector) -> list[Seen]:
    """The clip's pictures at FPS from the first that shows its main face, as long as that is found in each."""
    seen: list[Seen] = []
    due = 0.0
    with opened(clip.path) as reader:
        for frame in reader.frames():
            if frame.captured < due - 1e-3:
                continue
            due = frame.captured + 1 / float(FPS)
            picture = reduced(halves(frame.bgr())[0] if clip.label == "pair" else frame.bgr())
            face = main_face(detector.detect(picture), seen[-1].face if seen else None)
            if face is not None:
                seen.append(Seen(picture, face))
            elif len(seen) >= SHORTEST:
                break
            else:
                seen.clear()
            if len(seen) >= LONGEST_S * FPS:
                break
    return seen


def reduced(picture: Picture) -> Picture:
    """No higher than HEIGHT, and of even sides, as the codec needs."""
    scale = min(1.0, HEIGHT / picture.shape[0])
    width, height = (max(2, round(side * scale) // 2 * 2) for side in (picture.shape[1], picture.shape[0]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def main_face(faces: Sequence[Face], last: Face | None) -> Face | None:
    """The face that carries `last` on, or the largest; None where there is none with points."""
    usable = [face for face in faces if face.landmarks]
    if last is None:
        return max(usable, key=lambda face: longer(face.box), default=None)
    best = max(usable, key=lambda face: iou(face.box, last.box), default=None)
    return best if best is not None and iou(best.box, last.box) > 0.3 else None


def worked_on(seen: Sequence[Seen]) -> tuple[list[Picture], list[Points], list[tuple[int, int]]]:
    """The face's square in each picture, all of one size, its points in there, and the square's corner (x, y).

    What lies outside of the picture repeats its edge. Places are means over five pictures: a detector trembles.
    """
    side = round(MARGIN * float(np.median([longer(one.face.box) for one in seen])))
    boxes = smooth(np.array([one.face.box for one in seen]))
    marks = smooth(np.array([np.ravel(one.face.landmarks or ()) for one in seen]))
    squares, points, corners = [], [], []
    for one, box, mark in zip(seen, boxes, marks, strict=True):
        x, y = round(box[0] + box[2] / 2 - side / 2), round(box[1] + box[3] / 2 - side / 2)
        padded = cv2.copyMakeBorder(one.picture, side, side, side, side, cv2.BORDER_REPLICATE)
        squares.append(padded[y + side : y + 2 * side, x + side : x + 2 * side].astype(np.uint8))
        points.append(tuple(float(value) for value in mark - np.tile([x, y], 5)))
        corners.append((x, y))
    return squares, points, corners


def smooth(values: Array) -> Array:
    """Means of (N, K) over five neighbours, fewer at the ends."""
    return np.array([values[max(0, i - 2) : i + 3].mean(0) for i in range(len(values))])


def put(picture: Picture, square: Picture, corner: tuple[int, int]) -> Picture:
    """`picture` with `square` at its place, what lies outside cut off."""
    whole, (x, y), side = picture.copy(), corner, square.shape[0]
    left, top = max(0, x), max(0, y)
    right, bottom = min(picture.shape[1], x + side), min(picture.shape[0], y + side)
    whole[top:bottom, left:right] = square[top - y : bottom - y, left - x : right - x]
    return whole


def encode(pictures: Sequence[Picture], path: Path, crf: int) -> None:
    """An H.264 file of pictures of one size, the same settings for every clip."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": str(crf)})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
