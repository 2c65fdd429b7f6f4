"""Where a followed face is looked for: in its surroundings, at the scale of a search of the whole picture. Pure.

A detector is a convolution over a grid. Where the surroundings begin on that grid and are searched at the whole
picture's scale, the face gets the box that the whole picture would have given it, for a tenth of the area.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamer.pixels import Region
from streamer.tracking import longer
from wire.messages import Box

GRID = 32  # pixels of the searched picture between two of the detector's coarsest cells
REACH = 2.1  # side of the surroundings in face sizes: a head moves, and the detector wants some context
LEAST = 128  # pixels of the searched picture
FACE_PX = 96  # a larger face is made this small before it is looked for
GAIN = 1.25  # in scale, below which that is not worth it
EDGE = 0.08  # of a face, by which a whole one stays clear of the surroundings' edge
MOST = 0.6  # of the whole picture's area, above which the whole picture is searched instead


def scale_for(box: Box, whole: float) -> float:
    """How many of the frame's pixels one of the searched picture's is; `whole`: in a search of the whole picture."""
    own = longer(box) / FACE_PX
    return own if own > GAIN * whole else whole


def around(box: Box, size: tuple[int, int], scale: float) -> Region:
    """The surroundings of `box`, in pixels of a frame of that size reduced by `scale`, from a point of the grid on."""
    side = max(LEAST, round(REACH * longer(box) / scale / GRID) * GRID)
    x, width = _span((box[0] + box[2] / 2) / scale, side, round(size[0] / scale))
    y, height = _span((box[1] + box[3] / 2) / scale, side, round(size[1] / scale))
    return x, y, width, height


def in_frame(region: Region, size: tuple[int, int], scale: float) -> Region:
    """That region in pixels of the frame itself."""
    x, y = round(region[0] * scale), round(region[1] * scale)
    return x, y, min(size[0] - x, round(region[2] * scale)), min(size[1] - y, round(region[3] * scale))


def worth_it(regions: Sequence[tuple[Region, float]], size: tuple[int, int], whole: float) -> bool:
    """Whether the regions are enough smaller than the whole picture, which would be reduced by `whole`."""
    return sum(region[2] * region[3] for region, _ in regions) < MOST * size[0] * size[1] / whole**2


def inside(box: Box, region: Region, size: tuple[int, int]) -> bool:
    """Whether a box found in a region of the frame is a whole face, and not one that the region's edge cut off."""
    room = EDGE * longer(box)
    return all(
        (start == 0 or found - room >= start) and (start + length >= whole or found + span + room <= start + length)
        for found, span, start, length, whole in zip(box[:2], box[2:], region[:2], region[2:], size, strict=True)
    )


def _span(centre: float, side: int, length: int) -> tuple[int, int]:
    """Start and length of a stretch around `centre` within `length`."""
    start = max(0, round((centre - side / 2) / GRID) * GRID)
    start = min(start, max(0, -(-(length - side) // GRID) * GRID))
    return start, min(side, length - start)
