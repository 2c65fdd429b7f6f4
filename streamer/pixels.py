"""A decoded frame as an upright BGR picture: the same for the analysis and for the evidence, so that boxes fit both."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def upright(
    frame: av.VideoFrame, reformatter: VideoReformatter, rotation: int, crop: tuple[int, int, int, int] | None
) -> Picture:
    """uint8, height x width x 3. `rotation`: degrees counterclockwise; `crop`: x, y, width, height after turning."""
    picture = reformatter.reformat(frame, format="bgr24").to_ndarray().astype(np.uint8, copy=False)
    if turns := round(rotation / 90) % 4:  # phones film sideways and say so
        picture = np.ascontiguousarray(np.rot90(picture, turns))
    if crop:
        x, y, width, height = crop
        picture = np.ascontiguousarray(picture[y : y + height, x : x + width])
    return picture
