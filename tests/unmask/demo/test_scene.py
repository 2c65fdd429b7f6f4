"""The demo's clips are what they claim: same person and scene, one with a face blended in."""

from __future__ import annotations

import itertools
from pathlib import Path

import av
import cv2
import numpy as np

from unmask.demo import scene


def test_a_clip_is_h264_at_its_rate(tmp_path: Path) -> None:
    path = scene.render(tmp_path / "clip.mp4", manipulated=True, seconds=0.4)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert (stream.width, stream.height) == scene.SIZE
        times = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]  # type: ignore[operator]
    assert np.allclose(np.diff(times), 1 / scene.FPS, atol=1e-3)
    assert len(times) == 10


def test_the_motion_loops_without_a_jump() -> None:
    pictures = list(scene.frames(manipulated=False, seconds=1.0))
    steps = [_distance(a, b) for a, b in itertools.pairwise(pictures)]
    assert _distance(pictures[-1], pictures[0]) < 1.5 * max(steps)


def test_only_the_face_is_manipulated() -> None:
    portrait = cv2.imread(str(scene.PICTURE))
    assert portrait is not None
    changed = np.abs(scene.swap(portrait, np.random.default_rng(0)).astype(int) - portrait).max(axis=2) > 2
    x, y, w, h = (round(side) for side in scene.FACE)
    inside = np.zeros(changed.shape, bool)
    inside[y - 10 : y + h + 10, x - 10 : x + w + 10] = True
    assert changed[inside].mean() > 0.3
    assert not changed[~inside].any()


def _distance(a: scene.Picture, b: scene.Picture) -> float:
    return float(np.abs(a.astype(int) - b).mean())
