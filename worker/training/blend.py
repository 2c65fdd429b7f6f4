"""Fakes made on the fly from real faces: a face is blended into itself, or an aligned other face into it.

The self-blended recipe follows Shiohara & Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022; the
blend with another face follows Li et al., "Face X-ray for More General Face Forgery Detection", CVPR 2020. The mask
comes from five points here. `coarse` blends are what a bad live swap looks like: a patch of other colour and
resolution with a visible edge.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from worker.preprocess import Image
from worker.training.store import Points

Mask = npt.NDArray[np.float32]  # (H, W), 0 outside the blend, 1 where all is replaced
Matrix = npt.NDArray[np.float64]  # (2, 3), affine

# Canonical face: eyes one apart, origin between them, y down.
FIVE = np.array([(-0.5, 0), (0.5, 0), (0, 0.6), (-0.4, 1.1), (0.4, 1.1)])
_JAW = [(1.0, 0.0), (0.97, 0.6), (0.75, 1.25), (0.4, 1.65), (0, 1.78), (-0.4, 1.65), (-0.75, 1.25), (-0.97, 0.6),
        (-1.0, 0.0)]  # fmt: skip
OUTLINES = {
    "face": [(-0.95, -0.3), (-0.5, -0.52), (0, -0.45), (0.5, -0.52), (0.95, -0.3), *_JAW],
    "whole": [(-0.95, -0.5), (-0.6, -1.0), (0, -1.15), (0.6, -1.0), (0.95, -0.5), *_JAW],
    "inner": [(-0.8, -0.4), (0, -0.35), (0.8, -0.4), (0.85, 0.1), (0.55, 1.3), (0, 1.45), (-0.55, 1.3), (-0.85, 0.1)],
    "mouth": [(-0.5, 0.75), (0, 0.65), (0.5, 0.75), (0.7, 1.1), (0.5, 1.5), (0, 1.7), (-0.5, 1.5), (-0.7, 1.1)],
}
_KINDS, _WEIGHTS = list(OUTLINES), [0.45, 0.25, 0.15, 0.15]


def affine(source: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> Matrix:
    """The least-squares affine map (2, 3) that takes the points `source` (K, 2) to `target` (K, 2)."""
    ones = np.hstack([source, np.ones((len(source), 1))])
    solution, *_ = np.linalg.lstsq(ones, target, rcond=None)
    return np.asarray(solution.T, np.float64)


def face_mask(points: Points, size: int, rng: np.random.Generator, kind: str | None = None) -> Mask:
    """A sharp mask (size, size) of a region of the face with these five points; its corners are jittered."""
    chosen = kind or str(rng.choice(_KINDS, p=_WEIGHTS))
    outline = np.array(OUTLINES[chosen]) + rng.normal(0, 0.05, (len(OUTLINES[chosen]), 2))
    matrix = affine(FIVE, np.array(points, np.float64).reshape(5, 2))
    corners = outline @ matrix[:, :2].T + matrix[:, 2]
    mask = np.zeros((size, size), np.float32)
    cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 1.0)
    return mask


def soften(mask: Mask, softness: float) -> Mask:
    """`mask` with an edge of `softness` pixels standard deviation."""
    return np.clip(cv2.GaussianBlur(mask, (0, 0), softness), 0, 1).astype(np.float32)


Pixels = TypeVar("Pixels", Image, Mask)


def elastic(image: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """`image` (H, W) or (H, W, 3) bent by a smooth random field of `strength` pixels standard deviation."""
    height, width = image.shape[:2]
    coarse = rng.normal(0, strength, (2, 5, 5)).astype(np.float32)
    field = [cv2.resize(axis, (width, height), interpolation=cv2.INTER_CUBIC) for axis in coarse]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent = cv2.remap(image, x + field[0], y + field[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(bent, image.dtype)


def recolour(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """Contrast, brightness and colour balance shifted by `strength` (1 is about 12 grey values a channel)."""
    gain = 1 + rng.normal(0, 0.06 * strength, 3)
    shift = rng.normal(0, 9 * strength) + rng.normal(0, 8 * strength, 3)
    moved = image.astype(np.float32) * gain.astype(np.float32) + shift.astype(np.float32)
    return np.clip(moved, 0, 255).astype(np.uint8)


def coarsen(image: Image, factor: float) -> Image:
    """`image` as if taken at `factor` of its resolution."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (max(8, int(width * factor)), max(8, int(height * factor))), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def sharpen(image: Image, amount: float) -> Image:
    """`image` with an unsharp mask of `amount`."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.5)
    return np.asarray(cv2.addWeighted(image, 1 + amount, soft, -amount, 0), np.uint8)


def misplace(image: Image, spread: float, rng: np.random.Generator) -> Image:
    """`image` scaled, turned and moved about its centre by `spread` of its side or of a radian (standard deviation)."""
    size = image.shape[0]
    zoom = np.exp(rng.normal(0, spread, 2))
    angle = rng.normal(0, spread)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[zoom[0] * cos, -zoom[1] * sin], [zoom[0] * sin, zoom[1] * cos]])
    centre = np.array([size / 2, size / 2])
    moved_centre = centre + rng.normal(0, spread * size / 2, 2)
    matrix = np.hstack([linear, (moved_centre - linear @ centre)[:, None]])
    moved = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def donor_face(donor: Image, donor_points: Points, target: Image, points: Points) -> Image:
    """`donor` brought onto `target`'s five points, its colours moved to the target's mean and spread."""
    matrix = affine(np.array(donor_points).reshape(5, 2), np.array(points).reshape(5, 2))
    size = (target.shape[1], target.shape[0])
    warped = cv2.warpAffine(donor, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    source, wanted = warped.astype(np.float32), target.astype(np.float32)
    spread = wanted.std((0, 1)) / (source.std((0, 1)) + 1e-3)
    matched = (source - source.mean((0, 1))) * spread + wanted.mean((0, 1))
    return np.asarray(np.clip(matched, 0, 255), np.uint8)


def blend(
    target: Image,
    points: Points,
    rng: np.random.Generator,
    coarse: bool,
    donor: tuple[Image, Points] | None = None,
    kind: str | None = None,
) -> tuple[Image, Mask]:
    """A fake from the real face `target` (P, P, 3), and the mask (P, P) of what was replaced.

    Without a `donor` the face is blended into itself. `coarse` makes colour, resolution and edge differ plainly.
    """
    size = target.shape[0]
    source = target if donor is None else donor_face(donor[0], donor[1], target, points)
    source = recolour(source, rng.uniform(1.0, 2.8) if coarse else rng.uniform(0.2, 1.3), rng)
    change = rng.random()
    if coarse and change < 0.7:
        source = coarsen(source, rng.uniform(0.2, 0.55))
    elif change < 0.4:
        source = coarsen(source, rng.uniform(0.45, 0.9))
    elif change < 0.65:
        source = sharpen(source, rng.uniform(0.3, 1.2))
    source = misplace(source, rng.uniform(0.02, 0.07) if coarse else rng.uniform(0.005, 0.025), rng)
    if rng.random() < 0.6:
        source = elastic(source, size * (rng.uniform(0.015, 0.03) if coarse else rng.uniform(0.003, 0.012)), rng)
    sharp = elastic(face_mask(points, size, rng, kind), size * 0.02, rng)
    softness = size * (rng.uniform(0.003, 0.025) if coarse else rng.uniform(0.008, 0.06))
    mask = soften(sharp, softness)
    ratio = rng.uniform(0.85, 1.0) if coarse else float(rng.choice([0.5, 0.75, 1.0, 1.0, 1.0]))
    weight = (mask * ratio)[..., None]
    mixed = source.astype(np.float32) * weight + target.astype(np.float32) * (1 - weight)
    return np.clip(np.round(mixed), 0, 255).astype(np.uint8), (mask * ratio).astype(np.float32)
