"""From a decoded picture to windows: detection, tracking, cropping, assembly. The same code live and in a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from streamer import crops, regions
from streamer.faces import Detector, Face, resize
from streamer.pixels import View
from streamer.sampling import Sample, Sampler
from streamer.tracking import MIN_IOU, Sighting, Tracker, iou
from streamer.windows import Crop, WindowBuilder
from wire.messages import Frame, Window
from wire.settings import StreamerSettings, WindowSettings

PREVIEW_WIDTH = 640
PREVIEW_QUALITY = 80
WHOLE_EVERY = 6  # samples: a new face waits for a second at most
GREEN, GREY = (80, 220, 80), (160, 160, 160)


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
            self.sightings = ()
        sure = bool(self.sightings) and all(sighting.detected for sighting in self.sightings)
        faces = [] if hurry and sure else self._search(sample, view)
        self.sightings = self._tracker.update(faces, sample.captured)
        found = [self._crop(sample, view, sighting) for sighting in self.sightings]
        return self._windows.add(sample, found, self._clock())

    def finish(self) -> list[Window]:
        """The windows that the end of the video completes; live video has none."""
        return self._windows.finish(self._clock())

    def _search(self, sample: Sample, view: View) -> list[Face]:
        """All faces; between whole searches only those that are followed, each in its surroundings.

        Time is area: for a face of 200 px in a frame of 1280 that is a sixth. If one is missed so, all are looked for.
        """
        if not self.sightings and sample.index % 2:
            return []  # nobody is there: half the searches are enough to notice that somebody comes
        if self.sightings and sample.index % WHOLE_EVERY:
            faces = self._follow(view)
            if len(faces) == len(self.sightings):
                return faces
        return self._detector.detect(view.bgr())

    def _follow(self, view: View) -> list[Face]:
        """The followed faces that are found near where they were; none where a whole search costs no more."""
        whole = max(1.0, view.size[0] / self._detector.width(view.size[0]))
        places = []
        for sighting in self.sightings:
            scale = regions.scale_for(sighting.box, whole)
            places.append((regions.around(sighting.box, view.size, scale), scale))
        if not regions.worth_it(places, view.size, whole):
            return []
        found: list[Face] = []
        for sighting, (region, scale) in zip(self.sightings, places, strict=True):
            x, y, width, height = regions.in_frame(region, view.size, scale)
            small = resize(view.part((x, y, width, height)), region[2:])
            faces = [face.scaled(width / region[2], x, y) for face in self._detector.look(small)]
            best = max(faces, key=lambda face: iou(face.box, sighting.box), default=None)
            if best and iou(best.box, sighting.box) >= MIN_IOU and all(iou(best.box, f.box) < MIN_IOU for f in found):
                found.append(best)
        return found

    def _crop(self, sample: Sample, view: View, sighting: Sighting) -> Crop:
        picture = crops.cut(view, sighting.smooth, self._settings.crop_margin, self._settings.crop_size)
        jpeg = crops.encode(picture, self._settings.jpeg_quality)
        return Crop(
            track=sighting.track,
            frame=Frame(sample.index, sample.captured, sighting.box, jpeg),
            measure=crops.measure(picture, sighting.box, sighting.face.landmarks),
            detected=sighting.detected,
        )


def preview(view: View, sightings: Sequence[Sighting]) -> bytes:
    """A small JPEG of the frame with the followed faces boxed."""
    bgr = view.bgr()
    scale = min(1.0, PREVIEW_WIDTH / bgr.shape[1])
    size = (round(bgr.shape[1] * scale), max(1, round(bgr.shape[0] * scale)))
    picture = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for sighting in sightings:
        x, y, width, height = (round(value * scale) for value in sighting.box)
        colour = GREEN if sighting.detected else GREY
        cv2.rectangle(picture, (x, y), (x + width, y + height), colour, 2)
    return crops.encode(picture, PREVIEW_QUALITY)
