"""What cameras, codecs and networks do to a face, drawn once for a pair and done to both of its members alike.

If the real and the fake of a pair met different cuts, sizes or codecs, that difference would be what is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import cv2
import msgspec
import numpy as np

from worker.preprocess import Image, resize

KEY_EVERY = 12  # frames of a clip between key frames


class Cut(msgspec.Struct, frozen=True):
    """A square window of a crop: its centre and side as shares of the crop's side, mirrored or not."""

    x: float
    y: float
    side: float
    flip: bool

    def apply(self, image: Image, size: int) -> Image:
        """The window of `image` (P, P, ...) as (size, size, ...)."""
        whole = image.shape[0]
        side = max(8, min(whole, round(self.side * whole)))
        left = min(max(0, round(self.x * whole - side / 2)), whole - side)
        top = min(max(0, round(self.y * whole - side / 2)), whole - side)
        window = resize(image[top : top + side, left : left + side], size)
        return np.ascontiguousarray(window[:, ::-1]) if self.flip else window


def draw_cut(margin: float, wanted: tuple[float, float], rng: np.random.Generator, jitter: float = 0.05) -> Cut:
    """A window whose side is drawn from `wanted`, in units of the face, of a crop with this `margin`.

    Where the crop is tighter than what was drawn, nearly all of it is taken.
    """
    share = rng.uniform(*wanted) / margin
    if share > 0.97:
        share = rng.uniform(0.88, 1.0)
    x, y = 0.5 + rng.uniform(-jitter, jitter, 2)
    return Cut(float(x), float(y), float(share), bool(rng.random() < 0.5))


class Degradation(msgspec.Struct, frozen=True):
    """One draw of everything between a camera and the network, applied at `native` pixels of face crop."""

    native: int
    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shift: float = 0.0
    gamma: float = 1.0
    grey: bool = False
    blur: float = 0.0
    motion: int = 0
    noise: float = 0.0
    quality: tuple[int, ...] = ()  # JPEG qualities, one after the other
    crf: int = 0  # 0: no video codec
    seed: int = 0

    def before_codec(self, image: Image) -> Image:
        """`image` at native size after lens, light and sensor."""
        out = image.astype(np.float32)
        if self.gamma != 1.0:
            out = np.float32(255) * (out / np.float32(255)) ** np.float32(self.gamma)
        out = out * np.array(self.gain, np.float32) + np.float32(self.shift)
        if self.grey:
            out = np.repeat(out.mean(2, keepdims=True), 3, axis=2)
        if self.blur > 0:
            out = np.asarray(cv2.GaussianBlur(out, (0, 0), self.blur), np.float32)
        if self.motion > 1:
            kernel = np.zeros((self.motion, self.motion), np.float32)
            kernel[self.motion // 2] = 1 / self.motion
            out = np.asarray(cv2.filter2D(out, -1, kernel), np.float32)
        if self.noise > 0:
            out = out + np.random.default_rng(self.seed).normal(0, self.noise, out.shape).astype(np.float32)
        return np.clip(out, 0, 255).astype(np.uint8)

    def after_codec(self, image: Image) -> Image:
        """`image` after the JPEGs of camera, recorder and streamer."""
        for quality in self.quality:
            image = jpeg(image, quality)
        return image


def draw(rng: np.random.Generator, low: int, high: int, clean: float = 0.25) -> Degradation:
    """A degradation of crops between `low` and `high` pixels; a share `clean` of all draws is close to clean."""
    light = rng.random() < clean
    # casts as strong as a coarse blend's: what differs from its surroundings tells, an odd colour does not
    gain = np.clip(1 + rng.normal(0, 0.05 if light else 0.1) + rng.normal(0, 0.03 if light else 0.11, 3), 0.5, 1.6)
    picked = [int(rng.integers(30, 101))] if rng.random() < 0.75 and not light else []
    return Degradation(
        native=int(rng.integers(low, high + 1)) // 2 * 2,
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        shift=float(rng.normal(0, 8)),
        gamma=1.0 if rng.random() < 0.7 else float(np.exp(rng.normal(0, 0.2))),
        grey=bool(rng.random() < 0.04),
        blur=0.0 if light or rng.random() < 0.6 else float(rng.uniform(0.3, 1.6)),
        motion=0 if light or rng.random() < 0.9 else int(rng.integers(3, 8)),
        noise=0.0 if light or rng.random() < 0.6 else float(rng.uniform(1, 8)),
        quality=(*picked, 95),  # the streamer's own JPEG comes last
        seed=int(rng.integers(2**31)),
    )


class Stream(msgspec.Struct, frozen=True):
    """One draw of everything between a face and the network over time: a degradation, and which frames arrive."""

    plan: Degradation
    shown: tuple[int, ...]  # which frame is seen in the place of each: its own, or the last one that arrived

    def apply(self, clip: Sequence[Image]) -> list[Image]:
        """`clip` (T pictures) as it arrives, through H.264 where the plan says so, each frame with its own noise."""
        whole = Cut(0.5, 0.5, 1.0, False)
        plans = [msgspec.structs.replace(self.plan, seed=self.plan.seed + number) for number in range(len(clip))]
        sent = [plan.before_codec(whole.apply(image, plan.native)) for plan, image in zip(plans, clip, strict=True)]
        if self.plan.crf:
            sent = h264(sent, self.plan.crf, group=KEY_EVERY)
        return [self.plan.after_codec(sent[number]) for number in self.shown]


def draw_stream(rng: np.random.Generator, frames: int, coded: float = 0.6, lossy: float = 0.3) -> Stream:
    """A degradation of a clip of `frames` pictures: some, `coded`, meet H.264 (CRF 18-40), `lossy` ones lose frames."""
    plan = draw(rng, 96, 200)
    if rng.random() < coded:
        plan = msgspec.structs.replace(plan, crf=int(rng.integers(18, 41)))
    missing = rng.random(frames) < (rng.uniform(0, 0.25) if rng.random() < lossy else 0.0)
    shown, last = [], 0
    for number in range(frames):
        last = last if missing[number] else number
        shown.append(last)
    return Stream(plan, tuple(shown))


def jpeg(image: Image, quality: int) -> Image:
    """`image` encoded as JPEG of this quality and decoded again."""
    _, raw = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(raw, cv2.IMREAD_COLOR), np.uint8)


def h264(images: list[Image], crf: int, group: int = 1) -> list[Image]:
    """Images (N, N, 3) of one even size through x264 at this CRF, `group` pictures from one key frame to the next."""
    import av  # loaded here only: importing the worker must not load it

    encoder = av.CodecContext.create("libx264", "w")
    encoder.width = encoder.height = images[0].shape[0]
    encoder.pix_fmt, encoder.time_base, encoder.gop_size = "yuv420p", Fraction(1, 25), group
    encoder.options = {"crf": str(crf), "preset": "ultrafast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    out: list[Image] = []
    for number, image in enumerate([*images, None]):
        frame = None if image is None else av.VideoFrame.from_ndarray(image, format="bgr24")
        if frame is not None:
            frame.pts = number
        for packet in encoder.encode(frame):
            out += [np.asarray(shown.to_ndarray(format="bgr24"), np.uint8) for shown in decoder.decode(packet)]
    return out + [np.asarray(shown.to_ndarray(format="bgr24"), np.uint8) for shown in decoder.decode(None)]
