from __future__ import annotations

import numpy as np
from unmask_example_sharpness import Detector

from unmask.plugins import FaceWindow

NOISE = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)


def test_a_soft_face_is_suspicious_an_even_picture_is_not_and_a_flat_one_is_unsure() -> None:
    soft = NOISE.copy()
    soft[:, 16:48, 16:48] = 128
    detector = Detector()
    detector.warm_up()
    soft_one, even, flat = detector.score(
        [FaceWindow(crops, (0.0, 0.1, 0.2, 0.3), 1.0) for crops in (soft, NOISE, np.zeros_like(NOISE))]
    )
    assert soft_one is not None
    assert soft_one > 3
    assert even is not None
    assert abs(even) < 0.5
    assert flat is None
