"""Fakes of motion, made from real faces only: what changes from frame to frame is wrong, single frames may look right.

Two kinds. A *driven* clip is a real face, still or moving, whose mouth or inner face is replaced in every frame by
another copy of itself that is warped, softened and coloured on its own, as a talking-head or lip-sync generator's is. A
*blended* clip is a self-blend (`blend.py`) in every frame whose edge, place and colour tremble. The real member of a
pair is the same frames without the replacement, so that motion itself says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from worker.preprocess import Image
from worker.training.blend import FIVE, Mask, affine, blend, coarsen, face_mask, recolour, soften
from worker.training.store import Points

Array = npt.NDArray[np.float64]
# A head that is held still, standard deviations: of the crop's side, radian, of its size.
SWAY, TURN, BREATH = 0.012, 0.012, 0.008
SAMPLED = 6.0  # pictures a second of what the streamer samples
MOUTH = (0.0, 1.1)  # in the canonical face of `blend.FIVE`
DRIVEN = ("mouth", "mouth", "inner", "face")  # regions a generator writes; mouths twice as often


class Motion(msgspec.Struct, frozen=True):
    """One smooth random walk per parameter, T values each."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    angle: tuple[float, ...]
    zoom: tuple[float, ...]
    jaw: tuple[float, ...]  # how far the mouth is open, in eye distances


def walk(frames: int, spread: float, rng: np.random.Generator, smooth: float = 0.6) -> tuple[float, ...]:
    """A stationary walk of `frames` values with this standard deviation and this correlation of neighbours."""
    values = [float(rng.normal(0, spread))]
    for _ in range(frames - 1):
        values.append(smooth * values[-1] + float(rng.normal(0, spread * (1 - smooth**2) ** 0.5)))
    return tuple(values)


def draw_motion(frames: int, rng: np.random.Generator) -> Motion:
    """How a talking head moves in `frames` samples of a few a second."""
    jaw = tuple(abs(value) for value in walk(frames, 0.1, rng, smooth=0.1))
    return Motion(
        walk(frames, SWAY, rng), walk(frames, SWAY, rng), walk(frames, TURN, rng), walk(frames, BREATH, rng), jaw
    )


def move(image: Image, points: Points, motion: Motion, frame: int) -> tuple[Image, Points]:
    """A still as it looks in `frame` of a motion, its mouth opened; and its points there."""
    spoken = open_mouth(image, points, motion.jaw[frame])
    size = image.shape[0]
    cos, sin = np.cos(motion.angle[frame]), np.sin(motion.angle[frame])
    linear = (1 + motion.zoom[frame]) * np.array([[cos, -sin], [sin, cos]])
    centre = np.array([size / 2, size / 2])
    shift = centre + np.array([motion.x[frame], motion.y[frame]]) * size - linear @ centre
    matrix = np.hstack([linear, shift[:, None]])
    moved = cv2.warpAffine(spoken, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    placed = np.array(points).reshape(5, 2) @ linear.T + shift
    return np.asarray(moved, np.uint8), tuple(float(v) for v in placed.ravel())


def open_mouth(image: Image, points: Points, amount: float) -> Image:
    """The picture below the lips' line pulled down by `amount` eye distances, fading out around the mouth."""
    size = image.shape[0]
    matrix = affine(FIVE, np.array(points, np.float64).reshape(5, 2))
    unit = float(np.hypot(matrix[0, 0], matrix[1, 0]))  # pixels from eye to eye
    centre = matrix[:, :2] @ np.array(MOUTH) + matrix[:, 2]
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    near = np.exp(-(((x - centre[0]) / (0.55 * unit)) ** 2) - ((y - centre[1]) / (0.5 * unit)) ** 2)
    below = 1 / (1 + np.exp(-(y - centre[1]) / (0.08 * unit)))
    drop = (amount * unit * near * below).astype(np.float32)
    bent = cv2.remap(image, x, y - drop, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(bent, np.uint8)


def still_to_clip(
    image: Image, points: Points, frames: int, rng: np.random.Generator
) -> tuple[list[Image], list[Points]]:
    """A real face that talks: one still over time."""
    motion = draw_motion(frames, rng)
    made = [move(image, points, motion, frame) for frame in range(frames)]
    return [picture for picture, _ in made], [placed for _, placed in made]


def driven(
    clip: Sequence[Image], points: Sequence[Points], rng: np.random.Generator, rate: float = SAMPLED
) -> list[Image]:
    """`clip` with its mouth, inner face or face written anew in every frame from one warped copy of a frame.

    `rate` is the clip's pictures a second: what trembles does so in time, not in pictures.
    """
    frames, kind = len(clip), str(rng.choice(DRIVEN))
    source = int(rng.integers(frames))
    still, still_points = clip[source], np.array(points[source]).reshape(5, 2)
    softness, colour = rng.uniform(0.45, 0.85), rng.uniform(0.1, 0.8)
    tint, edge = int(rng.integers(2**31)), rng.uniform(0.02, 0.05)
    smooth = 0.2 ** (SAMPLED / rate)
    jaw, slip_x, slip_y = (walk(frames, spread, rng, smooth) for spread in (0.14, 0.012, 0.012))
    out = []
    for number, (image, where) in enumerate(zip(clip, points, strict=True)):
        size = image.shape[0]
        target = np.array(where).reshape(5, 2) + np.array([slip_x[number], slip_y[number]]) * size
        matrix = affine(still_points, target)
        copy = cv2.warpAffine(still, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        spoken = open_mouth(np.asarray(copy, np.uint8), tuple(float(v) for v in target.ravel()), abs(jaw[number]))
        written = recolour(coarsen(spoken, softness), colour, np.random.default_rng(tint))
        mask = soften(face_mask(where, size, np.random.default_rng(tint), kind), size * edge)
        out.append(_over(written, image, mask))
    return out


def trembling(clip: Sequence[Image], points: Sequence[Points], rng: np.random.Generator, coarse: bool) -> list[Image]:
    """`clip` with a self-blend of one kind in every frame; in half of the clips it trembles, in others it is still."""
    seed = int(rng.integers(2**31))
    tremble = float(rng.choice([0.0, 0.006, 0.015]))
    out = []
    for image, where in zip(clip, points, strict=True):
        slip = np.tile(rng.normal(0, tremble * image.shape[0], 2), 5)
        moved = tuple(float(v) for v in np.array(where) + slip)
        out.append(blend(image, moved, np.random.default_rng(seed), coarse)[0])
    return out


def _over(source: Image, target: Image, mask: Mask) -> Image:
    weight = mask[..., None]
    mixed = source.astype(np.float32) * weight + target.astype(np.float32) * (1 - weight)
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8)
