"""Packing: DFDC crops, stills and clips, once, into the memory maps that training reads."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import cv2
import msgspec
import numpy as np
from rich.progress import track

from worker.preprocess import STREAM_MARGIN, Image, resize
from worker.training.data import (
    Clip,
    DfdcRow,
    Points,
    Row,
    Split,
    index_dfdc,
    person_split,
    read_manifest,
    read_stills,
    split_groups,
)
from worker.training.faces import Box, Face, FaceFinder, cut

DFDC_PX, CLIP_PX = 160, 224
DFDC_MARGIN = 0.8  # measured: median eye-mouth distance of the crops against that of YuNet boxes on whole pictures
DFDC_PAD = 48  # the crops are so tight that YuNet misses some without a border
SAMPLE_FPS = 6.0
Task = tuple[DfdcRow, Path, Split]

_finder: FaceFinder | None = None


def write_pack(folder: Path, crops: list[Image], rows: list[Row]) -> None:
    """Writes crops (each P, P, 3) and their rows as a pack."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "crops.npy", np.stack(crops))
    (folder / "rows.msgpack").write_bytes(msgspec.msgpack.encode(rows))


def pack_dfdc(source: Path, manifest: Path, yunet: Path, folder: Path, processes: int = 2) -> int:
    """Packs the DFDC crops, reals with their points; groups that touch a dev clip are left out. Returns how many."""
    dev = {clip.path.stem.split("_")[-1] for clip in read_manifest(manifest) if clip.split == "dev"}
    index = index_dfdc(source, dev)
    split = split_groups({row.group for row in index})
    tasks: list[Task] = [(row, source / "faces_224" / f"{row.name}.jpg", split[row.group]) for row in index]
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(tasks), DFDC_PX, DFDC_PX, 3)
    out = np.lib.format.open_memmap(folder / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
    rows = []
    with get_context("spawn").Pool(processes, _start, (yunet,)) as pool:
        done = pool.imap(_dfdc_crop, tasks, chunksize=64)
        for i, (crop, row) in enumerate(track(done, "DFDC crops", len(tasks))):
            out[i] = crop
            rows.append(row)
    (folder / "rows.msgpack").write_bytes(msgspec.msgpack.encode(rows))
    return len(rows)


def _start(yunet: Path) -> None:
    global _finder
    cv2.setNumThreads(1)
    _finder = FaceFinder(yunet)


def _dfdc_crop(task: Task) -> tuple[Image, Row]:
    item, path, split = task
    image = np.asarray(cv2.imread(str(path)), np.uint8)
    points: Points | None = None
    if item.label == 0 and _finder is not None:
        pad = DFDC_PAD
        face = _finder.find(np.asarray(cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_REPLICATE), np.uint8))
        points = None if face is None else tuple((v - pad) * DFDC_PX / image.shape[0] for v in face.points)
    return resize(image, DFDC_PX), Row(item.name, "DFDC", item.label, item.group, split, DFDC_MARGIN, points)


def pack_stills(table: Path, yunet: Path, folder: Path) -> int:
    """Packs real stills at the streamer's margin; one person in ten is held out. Returns how many."""
    finder, crops, rows = FaceFinder(yunet), [], []
    for path, box in track(read_stills(table), "stills"):
        image = cv2.imread(str(path))
        face = None if image is None else finder.find(np.asarray(image, np.uint8), near=box)
        if image is None or face is None:
            continue
        crop, points = cut(np.asarray(image, np.uint8), face, CLIP_PX)
        person, source = path.stem.rstrip("0123456789").rstrip("_"), path.parent.name
        if source == "webmorph":
            person = path.stem.split("-")[-1].split("_")[0]
        crops.append(crop)
        rows.append(Row(path.name, source, 0, person, person_split(person), STREAM_MARGIN, points))
    write_pack(folder, crops, rows)
    return len(rows)


def pack_clips(manifest: Path, split: Split, yunet: Path, folder: Path, windows: int, frames: int = 16) -> int:
    """Packs up to `windows` runs of `frames` crops, 6 a second, of each clip of `split`. Returns how many crops.

    One box per run, the mean of what YuNet finds in it, as the streamer's windows have.
    """
    finder = FaceFinder(yunet)
    crops: list[Image] = []
    rows: list[Row] = []
    clips = [clip for clip in read_manifest(manifest) if clip.split == split]
    for clip in track(clips, f"{split} clips"):
        for number, run in enumerate(_runs(clip, windows, frames)):
            for half, label in _parts(clip):
                part = [half(image) for image in run]
                for k, (crop, points) in enumerate(_follow(part, finder)):
                    instant = f"{clip.path.name}:{number}:{k}" if clip.label == "pair" else ""
                    name = f"{clip.path.name}#{'RL'[label] if clip.label == 'pair' else ''}"
                    row = Row(name, clip.source, label, clip.path.stem, split, STREAM_MARGIN, points, number, instant)
                    crops.append(crop)
                    rows.append(row)
    write_pack(folder, crops, rows)
    return len(rows)


class _Half:
    """Cuts the left or right half of a side-by-side picture, 4 px off the seam; or nothing."""

    def __init__(self, side: int | None) -> None:
        self.side = side

    def __call__(self, image: Image) -> Image:
        middle = image.shape[1] // 2
        if self.side is None:
            return image
        return image[:, : middle - 4] if self.side == 0 else image[:, middle + 4 :]


def _parts(clip: Clip) -> list[tuple[_Half, int]]:
    if clip.label == "pair":
        return [(_Half(0), 0), (_Half(1), 1)]
    return [(_Half(None), int(clip.label == "fake"))]


def _runs(clip: Clip, windows: int, frames: int) -> Iterator[list[Image]]:
    """Up to `windows` runs of `frames` pictures sampled at 6 a second, spread evenly over the clip."""
    video = cv2.VideoCapture(str(clip.path))
    step = max(1, round((video.get(cv2.CAP_PROP_FPS) or 25.0) / SAMPLE_FPS))
    sampled: list[Image] = []
    count = 0
    while video.grab() and len(sampled) < 1000:
        if count % step == 0:
            ok, image = video.retrieve()
            if ok:
                sampled.append(np.asarray(image, np.uint8))
        count += 1
    video.release()
    possible = max(1, len(sampled) // frames)
    chosen = sorted({round(i * (possible - 1) / max(1, windows - 1)) for i in range(min(windows, possible))})
    for start in chosen:
        run = sampled[start * frames : (start + 1) * frames]
        if run:
            yield run


def _follow(run: list[Image], finder: FaceFinder) -> list[tuple[Image, Points]]:
    """The crops of the face followed through `run`, all cut with its mean box; frames without it are left out."""
    faces: list[tuple[Image, Face]] = []
    near: Box | None = None
    for image in run:
        face = finder.find(image, near)
        if face is not None:
            near = face.box
            faces.append((image, face))
    if not faces:
        return []
    mean = np.mean([face.box for _, face in faces], axis=0)
    box = (float(mean[0]), float(mean[1]), float(mean[2]), float(mean[3]))
    return [cut(image, Face(box, face.points), CLIP_PX) for image, face in faces]
