"""Following faces from sample to sample. Pure: boxes and capture times in, tracks out.

Matching is greedy by overlap with the last box that was detected. A face that is missed once is carried on with its
last box (`Sighting.detected` is false); missed twice in a row, its track is over. Each sighting has a slowly smoothed
box for cropping: the detector's jitter goes, the motion of the face within its crop stays, and since every frame of a
track is cropped once, overlapping windows share identical crops.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from streamer.faces import Face
from wire.messages import Box

MIN_IOU = 0.2  # six samples a second: a turning head moves far between two
MISSES = 1
SMOOTH_S = 0.7
MAX_OFF = 0.12  # a fast face must not leave its crop: largest offset of the smoothed box, in face sizes
KEEP = 0.8  # a followed face may become this much smaller than one that is newly followed


@dataclass(frozen=True, slots=True)
class Sighting:
    """One track in one sample."""

    track: str
    box: Box  # as detected; the last detected one when `detected` is false
    smooth: Box  # centred on and sized by the smoothed estimate; what is cropped
    detected: bool
    face: Face


@dataclass(slots=True)
class _Track:
    id: str
    face: Face
    smooth: Box
    misses: int = 0


class Tracker:
    """Tracks of one epoch at a time."""

    def __init__(self, max_faces: int, min_face_px: float) -> None:
        self._max_faces, self._min_face = max_faces, min_face_px
        self._tracks: list[_Track] = []
        self._epoch = -1
        self._born = 0
        self._last = 0.0

    def restart(self, epoch: int) -> None:
        """A new stretch of video: every face in it is a new track."""
        self._tracks, self._epoch, self._born = [], epoch, 0

    def update(self, faces: Sequence[Face], captured: float) -> list[Sighting]:
        """The tracks in this sample, oldest first; a track that is not in it is over."""
        elapsed, self._last = max(0.0, captured - self._last), captured
        big = [face for face in faces if longer(face.box) >= self._min_face * KEEP]
        taken = self._match(big)
        for index, track in enumerate(self._tracks):
            if index in taken:
                track.face, track.misses = big[taken[index]], 0
                track.smooth = follow(track.smooth, track.face.box, elapsed)
            else:
                track.misses += 1
        self._tracks = [track for track in self._tracks if track.misses <= MISSES]
        used = set(taken.values())
        self._welcome([face for index, face in enumerate(big) if index not in used])
        return self._sightings()

    def part(self, tracks: Collection[str]) -> list[Sighting]:
        """Somebody else is in the place of these: from this sample on they are tracks of their own."""
        for track in self._tracks:
            if track.id in tracks:
                track.id, track.smooth = self._name(), track.face.box
        return self._sightings()

    def _sightings(self) -> list[Sighting]:
        return [Sighting(t.id, t.face.box, t.smooth, t.misses == 0, t.face) for t in self._tracks]

    def _name(self) -> str:
        self._born += 1
        return f"{self._epoch}-{self._born - 1}"

    def _match(self, faces: Sequence[Face]) -> dict[int, int]:
        """Track index -> face index, best overlap first."""
        pairs = [
            (iou(track.face.box, face.box), i, j)
            for i, track in enumerate(self._tracks)
            for j, face in enumerate(faces)
        ]
        taken: dict[int, int] = {}
        used: set[int] = set()
        for overlap, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if overlap >= MIN_IOU and i not in taken and j not in used:
                taken[i] = j
                used.add(j)
        return taken

    def _welcome(self, faces: Sequence[Face]) -> None:
        """New tracks, largest faces first; none for a second box on a face that is already followed."""
        for face in sorted(faces, key=lambda face: -longer(face.box)):
            if len(self._tracks) >= self._max_faces:
                return
            if longer(face.box) < self._min_face:
                continue
            if any(iou(track.face.box, face.box) > MIN_IOU for track in self._tracks):
                continue
            self._tracks.append(_Track(self._name(), face, face.box))


def follow(smooth: Box, box: Box, elapsed: float) -> Box:
    """`smooth` moved towards `box` with time constant SMOOTH_S, but never further from it than MAX_OFF face sizes."""
    part = 1 - math.exp(-elapsed / SMOOTH_S)
    width, height = (
        min(max(old * (new / old) ** part, new * (1 - MAX_OFF)), new * (1 + MAX_OFF))
        for old, new in zip(smooth[2:], box[2:], strict=True)
    )
    reach = MAX_OFF * longer(box)
    centre = []
    for axis in (0, 1):
        old, new = smooth[axis] + smooth[axis + 2] / 2, box[axis] + box[axis + 2] / 2
        centre.append(min(max(old + part * (new - old), new - reach), new + reach))
    return centre[0] - width / 2, centre[1] - height / 2, width, height


def longer(box: Box) -> float:
    """The longer side of a box."""
    return max(box[2], box[3])


def iou(a: Box, b: Box) -> float:
    """Area of the intersection over area of the union, 0..1."""
    across = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    down = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / (a[2] * a[3] + b[2] * b[3] - both)
