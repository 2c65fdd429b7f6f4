"""From a decoded picture to windows: detection, tracking, cropping, assembly. The same code live and in a scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import cv2
import msgspec
import numpy as np

from streamer import crops, motion, regions
from streamer.cuts import Cuts
from streamer.faces import Detector, Face, resize
from streamer.motion import Motion
from streamer.pixels import Picture, Region, View
from streamer.sampling import Sample, Sampler
from streamer.tracking import MIN_IOU, Sighting, Tracker, iou
from streamer.windows import Crop, WindowBuilder
from wire.messages import Box, Frame, Portrait, Window
from wire.settings import StreamerSettings, WindowSettings

PREVIEW_WIDTH = 640
PREVIEW_QUALITY = 80
WHOLE_EVERY = 6  # samples: a new face waits for a second at most
STILL_S = 3.0  # and for so long if it comes without a visible change
FOUND, CARRIED, EDGE = (255, 255, 255), (160, 160, 160), (40, 40, 40)  # no colour of a verdict: that comes later


class Analysis:
    """Everything between one camera's frames and its windows. `short` as in WindowBuilder: for files, not live."""

    def __init__(
        self,
        camera: str,
        analysis_fps: float,
        detector: Detector,
        streamer: StreamerSettings,
        window: WindowSettings,
        clock: Callable[[], float],
        short: bool = False,
    ) -> None:
        self.sampler = Sampler(analysis_fps)
        self.sightings: Sequence[Sighting] = ()
        self._detector, self._settings, self._clock = detector, window, clock
        self._share = window.seen_margin / window.crop_margin
        self._motion, self._cuts = Motion(STILL_S), Cuts()
        self._tracker = Tracker(streamer.max_faces, streamer.min_face_px)
        self._windows = WindowBuilder(camera, window.frames, window.stride, self.sampler.max_gap, short)

    def interrupt(self) -> None:
        """The source was reopened: the next frame begins a new epoch."""
        self.sampler.interrupt()
        self.sightings = ()

    def analyse(self, sample: Sample, view: View, hurry: bool = False) -> list[Window]:
        """The windows that this sample completes. `view` is the sample's whole frame.

        `hurry`: the camera is ahead of us; every other search is left out, and its faces are carried on unseen.
        """
        if sample.first:
            self._tracker.restart(sample.epoch)
            self._motion.restart()
            self._cuts.restart()
            self.sightings = ()
        sure = bool(self.sightings) and all(sighting.detected for sighting in self.sightings)
        faces = [] if hurry and sure else self._search(sample, view)
        self.sightings = self._tracker.update(faces, sample.captured)
        pictures = self._pictures(view)
        found = [self._crop(sample, sighting, pictures[sighting.track]) for sighting in self.sightings]
        made = self._windows.add(sample, found, self._clock())
        return [self._finished(window, pictures if window.captured == sample.captured else {}) for window in made]

    def finish(self) -> list[Window]:
        """The windows that the end of the video completes; live video has none."""
        return [self._finished(window, {}) for window in self._windows.finish(self._clock())]

    def _search(self, sample: Sample, view: View) -> list[Face]:
        """All faces; between whole searches only those near the ones that are followed.

        Time is area: for a face of 180 px in a frame of 1280 that is a sixth. If one is missed so, all are looked for.
        Where nothing has changed, no whole search is due: nobody has come.
        """
        if not self.sightings and sample.index % 2:
            return []  # nobody is there: half the searches are enough to notice that somebody comes
        boxes = [sighting.box for sighting in self.sightings]
        looks = not boxes or not sample.index % WHOLE_EVERY
        blocks = view.blocks(motion.WIDTH) if looks else None
        if blocks is None or not self._motion.due(blocks, sample.captured, boxes, view.size):
            faces = self._follow(view)
            if faces is not None:
                return faces
        blocks = view.blocks(motion.WIDTH) if blocks is None else blocks
        self._motion.searched(blocks, sample.captured, boxes)
        return self._detector.detect(view.bgr())

    def _follow(self, view: View) -> list[Face] | None:
        """The faces near those that are followed; None where one of these is not among them, or a whole search pays."""
        whole = max(1.0, view.size[0] / self._detector.width(view.size[0]))
        places = [
            (regions.around(sighting.box, view.size, scale), scale)
            for sighting in self.sightings
            for scale in (regions.scale_for(sighting.box, whole),)
        ]
        if not regions.worth_it(places, view.size, whole):
            return None
        found: list[Face] = []
        for region, scale in places:
            found += [f for f in self._look(view, region, scale) if all(iou(f.box, g.box) < MIN_IOU for g in found)]
        nearest = {index for s in self.sightings if (index := _nearest(s.box, found)) is not None}
        return found if len(nearest) == len(self.sightings) else None

    def _look(self, view: View, region: Region, scale: float) -> list[Face]:
        """The faces in a region of the reduced frame, best first, in pixels of the frame."""
        x, y, width, _ = place = regions.in_frame(region, view.size, scale)
        small = resize(view.part(place), region[2:])
        faces = [face.scaled(width / region[2], x, y) for face in self._detector.look(small)]
        whole = [face for face in faces if regions.inside(face.box, place, view.size)]
        return sorted(whole, key=lambda face: -face.score)

    def _pictures(self, view: View) -> dict[str, Picture]:
        """Each track's picture, after those in whose place somebody else is now have become others."""
        pictures = {sighting.track: self._cut(view, sighting) for sighting in self.sightings}
        if not pictures:
            return pictures
        cut = self._cuts.look(self.sightings, pictures, view.blocks(motion.WIDTH), view.size[0])
        if not cut:
            return pictures
        before, self.sightings = self.sightings, self._tracker.part(cut)
        self._cuts.rename(before, self.sightings)
        return {
            new.track: self._cut(view, new) if old.track in cut else pictures[old.track]
            for old, new in zip(before, self.sightings, strict=True)
        }

    def _cut(self, view: View, sighting: Sighting) -> Picture:
        return crops.cut(view, sighting.smooth, self._settings.crop_margin, self._settings.crop_size)

    def _finished(self, window: Window, pictures: Mapping[str, Picture]) -> Window:
        """The window with what its frames leave out: how wide they are, and the newest picture whole."""
        margin, picture = self._settings.crop_margin, pictures.get(window.track)
        if self._share == 1:
            return msgspec.structs.replace(window, margin=margin)
        whole = Portrait(margin, crops.encode(picture, self._settings.jpeg_quality)) if picture is not None else None
        return msgspec.structs.replace(window, margin=self._settings.seen_margin, portrait=whole or msgspec.UNSET)

    def _crop(self, sample: Sample, sighting: Sighting, picture: Picture) -> Crop:
        jpeg = crops.encode(crops.middle(picture, self._share), self._settings.jpeg_quality)
        return Crop(
            track=sighting.track,
            frame=Frame(sample.index, sample.captured, sighting.box, jpeg),
            measure=crops.measure(picture, sighting.box, sighting.face.landmarks),
            detected=sighting.detected,
        )


def _nearest(box: Box, faces: Sequence[Face]) -> int | None:
    """Which of the faces `box` moved to, if any."""
    best = max(range(len(faces)), key=lambda index: iou(faces[index].box, box), default=None)
    return best if best is not None and iou(faces[best].box, box) >= MIN_IOU else None


def preview(view: View, sightings: Sequence[Sighting]) -> bytes:
    """A small JPEG of the frame with the followed faces boxed."""
    bgr = view.bgr()
    scale = min(1.0, PREVIEW_WIDTH / bgr.shape[1])
    size = (round(bgr.shape[1] * scale), max(1, round(bgr.shape[0] * scale)))
    picture = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for sighting in sightings:
        x, y, width, height = (round(value * scale) for value in sighting.box)
        for colour, line in ((EDGE, 4), (FOUND if sighting.detected else CARRIED, 2)):
            cv2.rectangle(picture, (x, y), (x + width, y + height), colour, line)
    return crops.encode(picture, PREVIEW_QUALITY)
