"""From a decoded picture to windows: detection, tracking, cropping, assembly. The same code live and in a scan."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer import crops
from streamer.faces import Detector, Face, shrink
from streamer.sampling import Sample, Sampler
from streamer.tracking import Sighting, Tracker, longer
from streamer.windows import Crop, WindowBuilder
from wire.messages import Frame, Window
from wire.settings import StreamerSettings, WindowSettings

Picture = NDArray[np.uint8]
PREVIEW_WIDTH = 640
PREVIEW_QUALITY = 80
WHOLE_EVERY = 6  # samples: a new face waits for a second at most
QUICK_FACE_PX = 96  # the smallest followed face is made this large
QUICK_MIN_WIDTH = 160
QUICK_GAIN = 1.25  # in width, below which the smaller picture is not worth it
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
        self._detect_width = streamer.detect_width
        self._detector, self._settings, self._clock = detector, window, clock
        self._tracker = Tracker(streamer.max_faces, streamer.min_face_px)
        self._windows = WindowBuilder(camera, window.frames, window.stride, self.sampler.max_gap, short)

    def interrupt(self) -> None:
        """The source was reopened: the next frame begins a new epoch."""
        self.sampler.interrupt()
        self.sightings = ()

    def analyse(self, sample: Sample, bgr: Picture, hurry: bool = False) -> list[Window]:
        """The windows that this sample completes. `bgr` is the sample's whole frame.

        `hurry`: the camera is ahead of us; every other search is left out, and its faces are carried on unseen.
        """
        if sample.first:
            self._tracker.restart(sample.epoch)
            self.sightings = ()
        sure = bool(self.sightings) and all(sighting.detected for sighting in self.sightings)
        faces = [] if hurry and sure else self._search(sample, bgr)
        self.sightings = self._tracker.update(faces, sample.captured)
        found = [self._crop(sample, bgr, sighting) for sighting in self.sightings]
        return self._windows.add(sample, found, self._clock())

    def finish(self) -> list[Window]:
        """The windows that the end of the video completes; live video has none."""
        return self._windows.finish(self._clock())

    def _search(self, sample: Sample, bgr: Picture) -> list[Face]:
        """All faces; between whole searches only those as large as the ones followed, in a smaller picture.

        Time is area: for a face of 200 px this costs a quarter. A face that is missed so is looked for at once again.
        """
        if not self.sightings and sample.index % 2:
            return []  # nobody is there: half the searches are enough to notice that somebody comes
        if self.sightings and sample.index % WHOLE_EVERY:
            smallest = min(longer(sighting.box) for sighting in self.sightings)
            small, scale = shrink(bgr, max(QUICK_MIN_WIDTH, round(bgr.shape[1] * QUICK_FACE_PX / smallest)))
            if scale > QUICK_GAIN * bgr.shape[1] / min(bgr.shape[1], self._detect_width):
                faces = [face.scaled(scale) for face in self._detector.detect(small)]
                if len(faces) >= len(self.sightings):
                    return faces
        return self._detector.detect(bgr)

    def _crop(self, sample: Sample, bgr: Picture, sighting: Sighting) -> Crop:
        picture = crops.cut(bgr, sighting.smooth, self._settings.crop_margin, self._settings.crop_size)
        jpeg = crops.encode(picture, self._settings.jpeg_quality)
        return Crop(
            track=sighting.track,
            frame=Frame(sample.index, sample.captured, sighting.box, jpeg),
            measure=crops.measure(picture, sighting.box, sighting.face.landmarks),
            detected=sighting.detected,
        )


def preview(bgr: Picture, sightings: Sequence[Sighting]) -> bytes:
    """A small JPEG of the frame with the followed faces boxed."""
    scale = min(1.0, PREVIEW_WIDTH / bgr.shape[1])
    size = (round(bgr.shape[1] * scale), max(1, round(bgr.shape[0] * scale)))
    picture = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    for sighting in sightings:
        x, y, width, height = (round(value * scale) for value in sighting.box)
        colour = GREEN if sighting.detected else GREY
        cv2.rectangle(picture, (x, y), (x + width, y + height), colour, 2)
    return crops.encode(picture, PREVIEW_QUALITY)
