"""From a clip to runs of crops, by the code that serves: the streamer's sampling, detection, tracking and cropping.

Only the main face of a clip is taken: the label of a manipulated clip with several faces says nothing about the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from streamer import crops, scan
from streamer.analysis import Analysis
from streamer.faces import Detector, Landmarks
from streamer.pixels import Picture, View
from streamer.sampling import Sample
from streamer.scan import ANALYSIS_FPS, opened
from streamer.tracking import MIN_IOU, Sighting, iou, longer
from wire.messages import Box, Window
from wire.settings import Settings
from worker.training.store import Points

T = TypeVar("T")
LONGEST_S = 180.0  # no more of a clip is read: what follows shows the same person in the same light
TWIN_IOU = 0.4  # boxes found in both halves overlap this much where they show the same face


class Crop(NamedTuple):
    """One crop of one face."""

    track: str
    captured: float
    box: Box
    jpeg: bytes
    points: Points | None


Run = list[Crop]  # consecutive samples of one track


class Twin(NamedTuple):
    """What the other half of a pair shows in the same place, and whether a face was found there."""

    crop: Crop
    face: bool


class Follower:
    """Every face in one picture, or one half of one, from sample to sample."""

    def __init__(self, detector: Detector, settings: Settings) -> None:
        # A window for each two consecutive crops: the links of which windows of any length are made.
        window = settings.window.whole.model_copy(update={"frames": 2, "stride": 1})
        self.analysis = Analysis("clip", ANALYSIS_FPS, detector, settings.streamer, window, clock=lambda: 0.0)
        self.tracks: dict[str, list[Run]] = {}
        self._settings = settings.window
        self._points: dict[tuple[str, int], Points] = {}
        self._last: dict[str, int] = {}

    def take(self, sample: Sample, bgr: Picture) -> Sequence[Sighting]:
        """Search one sample; the faces followed in it."""
        windows = self.analysis.analyse(sample, View(bgr))
        for sighting in self.analysis.sightings:
            if sighting.detected and sighting.face.landmarks:
                place = sighting.track, sample.index
                self._points[place] = within(sighting.face.landmarks, sighting.smooth, self._settings.crop_margin,
                                             self._settings.crop_size)  # fmt: skip
        for window in windows:
            self._link(window)
        return self.analysis.sightings

    def _link(self, window: Window) -> None:
        runs = self.tracks.setdefault(window.track, [])
        first, second = window.frames
        made = [
            Crop(window.track, frame.captured, frame.box, frame.jpeg, self._points.get((window.track, frame.index)))
            for frame in (first, second)
        ]
        if self._last.get(window.track) == first.index:
            runs[-1].append(made[1])
        else:
            runs.append(made)
        self._last[window.track] = second.index


def runs_of_clip(path: Path, detector: Detector, settings: Settings, frames: int, windows: int) -> list[Run]:
    """Up to `windows` runs of `frames` crops of the clip's main face. Raises SourceError for what is no video."""
    follower = Follower(detector, settings)
    sampler = follower.analysis.sampler
    with opened(path) as reader:
        for frame in reader.frames():
            sample = sampler.take(frame.captured, frame.size)
            if sample is not None:
                follower.take(sample, frame.bgr())
            if frame.captured > LONGEST_S:
                break
    return spread(main_face(follower.tracks, frames), windows)


def runs_of_pair(
    path: Path, detector: Detector, settings: Settings, frames: int, windows: int
) -> tuple[list[Run], list[Run], bool]:
    """Runs of the real left half and of the fake right one, and whether run by run they show the same instants.

    Both are cut alike, with the boxes of the real half, where a face is found at the same place in the other.
    """
    real, fake = Follower(detector, settings), Follower(detector, settings)
    twins: dict[tuple[str, float], Twin] = {}
    with opened(path) as reader:
        for frame in reader.frames():
            sample = real.analysis.sampler.take(frame.captured, frame.size)
            if sample is not None:
                left, right = halves(frame.bgr())
                others = [face for face in fake.take(sample, right) if face.detected]
                for sighting in real.take(sample, left):
                    twins[sighting.track, sample.captured] = _twin(right, sample, sighting, others, settings)
            if frame.captured > LONGEST_S:
                break
    pieces = main_face(real.tracks, frames)
    others_of = [[twins[crop.track, crop.captured] for crop in run] for run in pieces]
    both = [i for i, run in enumerate(others_of) if 2 * sum(twin.face for twin in run) >= len(run)]
    if both:
        both = spread(both, windows)
        return [pieces[i] for i in both], [[twin.crop for twin in others_of[i]] for i in both], True
    return spread(pieces, windows), spread(main_face(fake.tracks, frames), windows), False


def halves(bgr: Picture) -> tuple[Picture, Picture]:
    """The left and the right half of a side-by-side picture, without the seam."""
    left, right = (scan.part(bgr, cut((bgr.shape[1], bgr.shape[0]))) for cut in (scan.left_half, scan.right_half))
    return left, right


def _twin(right: Picture, sample: Sample, sighting: Sighting, others: Sequence[Sighting], settings: Settings) -> Twin:
    margin, size = settings.window.crop_margin, settings.window.crop_size
    box, smooth = (
        (x - scan.SEAM_PX, y, w, h) for x, y, w, h in (sighting.box, sighting.smooth)
    )  # `right` begins there
    jpeg = crops.encode(crops.cut(View(right), smooth, margin, size), settings.window.jpeg_quality)
    same = max(others, key=lambda other: iou(other.box, box), default=None)
    face = same.face if same is not None and iou(same.box, box) >= TWIN_IOU else None
    points = within(face.landmarks, smooth, margin, size) if face and face.landmarks else None
    return Twin(Crop(sighting.track, sample.captured, box, jpeg, points), face is not None)


def main_face(tracks: dict[str, list[Run]], frames: int) -> list[Run]:
    """Pieces of `frames` consecutive crops of the main face, in order; one shorter piece where there is none so long.

    The main face is the track with the most of the picture for the longest time. Other tracks belong to it where they
    carry it on: at another time, in the same place.
    """
    if not tracks:
        return []
    main = max(tracks, key=lambda track: sum(longer(crop.box) for run in tracks[track] for crop in run))
    own = [crop for run in tracks[main] for crop in run]
    runs = list(tracks[main])
    for track, others in tracks.items():
        if track != main:
            runs += [run for run in others if _carries_on(run, own)]
    runs.sort(key=lambda run: run[0].captured)
    pieces = [run[at : at + frames] for run in runs for at in range(0, len(run) - frames + 1, frames)]
    return pieces or [max(runs, key=len)[:frames]]


def _carries_on(run: Run, main: Run) -> bool:
    begin, end = run[0].captured, run[-1].captured
    if any(begin <= crop.captured <= end for crop in main):
        return False
    nearest = min(main, key=lambda crop: min(abs(crop.captured - begin), abs(crop.captured - end)))
    return iou(nearest.box, (run[0] if nearest.captured < begin else run[-1]).box) > MIN_IOU


def spread(items: Sequence[T], count: int) -> list[T]:
    """Up to `count` of `items`, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    last = len(items) - 1
    return [items[round(i * last / max(1, count - 1))] for i in range(count)]


def within(landmarks: Landmarks, box: Box, margin: float, size: int) -> Points:
    """Five points of the whole picture in the pixels of the crop that `streamer.crops.cut` makes of `box`."""
    left, top, side = crops.square(box, margin)
    scale = size / side
    return tuple(round((value - origin) * scale, 2) for point in landmarks
                 for value, origin in zip(point, (left, top), strict=True))  # fmt: skip
