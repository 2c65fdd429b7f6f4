"""What a swap replaced, from the pair alone."""

from __future__ import annotations

import numpy as np

from tests.worker.training.making import PX, face
from worker.training.replaced import replaced


def test_the_mask_is_where_they_differ() -> None:
    real = face(1)
    fake = real.copy()
    fake[22:48, 22:42] = 255 - fake[22:48, 22:42]
    mask = replaced(real, fake)
    assert mask is not None
    assert mask[26:44, 26:38].mean() > 0.9
    assert mask[:, :10].max() == 0
    assert mask[:12].max() == 0


def test_noise_alone_replaces_nothing() -> None:
    real = face(2)
    noise = np.random.default_rng(0).integers(-2, 3, real.shape)
    mask = replaced(real, np.clip(real + noise, 0, 255).astype(np.uint8))
    assert mask is not None
    assert mask.mean() < 0.02


def test_pictures_that_do_not_lie_on_each_other_tell_nothing() -> None:
    real = face(3)
    assert replaced(real, np.roll(real, 4, axis=1)) is None
    assert replaced(real, real[: PX // 2, : PX // 2]) is None
