"""An attack stays within its bound, moves the logit where it is meant to, and comes out as a picture."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from worker.model import Detector, ModelConfig
from worker.preprocess import Pixels, normalise
from worker.training.attack import Attack, attack


@pytest.fixture(scope="module")
def model() -> Detector:
    torch.manual_seed(1)
    return Detector(ModelConfig(frames=4, input_size=32, layers=(1, 1, 1, 1), feature_dim=16)).eval()


@pytest.fixture(scope="module")
def images() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)


def logit(model: Detector, images: Pixels) -> float:
    with torch.inference_mode():
        return float(model(normalise(images, model.config).unsqueeze(0)))


@pytest.mark.parametrize("how", [Attack(2, 1), Attack(8, 1), Attack(8, 10)])
@pytest.mark.parametrize("towards", ["real", "fake"])
def test_within_its_bound_and_to_its_side(
    model: Detector, images: Pixels, how: Attack, towards: Literal["real", "fake"]
) -> None:
    made = attack(model, images, how, towards)
    assert made.dtype == np.uint8
    assert made.shape == images.shape
    assert np.abs(made.astype(int) - images).max() <= how.bound
    moved = logit(model, made) - logit(model, images)
    assert moved > 0 if towards == "fake" else moved < 0


def test_more_steps_gain_more(model: Detector, images: Pixels) -> None:
    once, often = (logit(model, attack(model, images, Attack(8, steps), "fake")) for steps in (1, 10))
    assert often > once


def test_the_same_seed_gives_the_same_picture(model: Detector, images: Pixels) -> None:
    first, second = (attack(model, images, Attack(2, 3), "real", seed=5) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_colour_order_is_the_models(images: Pixels) -> None:
    """Without a step's worth of bound the picture is what it was, whichever order the network wants."""
    for colour in ("bgr", "rgb"):
        config = ModelConfig(frames=4, input_size=32, layers=(1, 1, 1, 1), feature_dim=16, colour=colour)  # type: ignore[arg-type]
        assert np.array_equal(attack(Detector(config).eval(), images, Attack(0, 1), "fake"), images)


def test_names() -> None:
    assert [Attack(2, 1).name, Attack(8, 10).name] == ["FGSM 2/255", "PGD-10 8/255"]
