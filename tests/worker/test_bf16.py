"""The encoder of the GPU, on the CPU: what folding and bf16 change of the default checkpoint's verdicts."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests.worker.pictures import crops, frame_probabilities
from worker import checkpoint
from worker.bf16 import Bf16Encoder, fold
from worker.model import Detector, ModelConfig
from worker.preprocess import normalise

TOLERANCE = 0.02  # of the probability
BGR = ModelConfig(layers=(1, 1, 1, 1), groups=4, projection=False, feature_dim=2048, colour="bgr", input_size=64)


def lively(model: Detector) -> Detector:
    """With statistics in its batch norms that folding must not lose."""
    torch.manual_seed(1)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None and norm.running_var is not None:
            nn.init.normal_(norm.running_mean, 0, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, 0, 0.2)
    return model.eval()


@torch.inference_mode()
def test_folding_changes_nothing_but_rounding() -> None:
    model = lively(Detector(BGR))
    images = torch.randn(2, 3, 64, 64)
    folded = fold(copy.deepcopy(model.encoder))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert torch.allclose(folded(images), model.encoder(images), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_the_default_checkpoint_says_the_same_in_bf16() -> None:
    model = checkpoint.load(checkpoint.DEFAULT).model
    before = copy.deepcopy(model.state_dict())
    pixels = crops(24, model.config.input_size)
    features = Bf16Encoder(model)(torch.from_numpy(pixels))
    assert (features.dtype, features.shape) == (torch.float16, (24, model.config.feature_dim))
    found = torch.sigmoid(model.head(features.float().unsqueeze(1))).numpy()
    wanted = frame_probabilities(model, pixels)
    assert np.ptp(wanted) > 0.1  # crops that all look the same would prove nothing
    assert np.abs(found - wanted).max() <= TOLERANCE
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@torch.inference_mode()
def test_normalises_as_everywhere_else(colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lively(Detector(ModelConfig(layers=(1, 1, 1, 1), input_size=64, colour=colour, residual=True)))  # type: ignore[arg-type]
    encoder, seen = Bf16Encoder(model), list[torch.Tensor]()
    monkeypatch.setattr(encoder.encoder, "forward", lambda images: seen.append(images) or torch.zeros(3, 2048))
    pixels = crops(3, 64)
    encoder(torch.from_numpy(pixels))
    wanted = model.inward(normalise(list(pixels), model.config)).to(torch.bfloat16)
    assert torch.equal(seen[0], wanted)
    assert seen[0].is_contiguous(memory_format=torch.channels_last)


def test_a_model_without_projection() -> None:
    model = lively(Detector(BGR))
    pixels = crops(2, 64)
    with torch.inference_mode():
        found, wanted = Bf16Encoder(model)(torch.from_numpy(pixels)), model.encode(normalise(list(pixels), BGR))
    assert found.shape == (2, 2048)
    assert torch.allclose(found.float(), wanted, rtol=0.05, atol=0.05 * float(wanted.abs().max()))
