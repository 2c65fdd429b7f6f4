"""The detector: shapes, masks, heads by name, and that encode + head is what forward does."""

from __future__ import annotations

import msgspec
import pytest
import torch

from worker.model import EDGE, RESIDUAL_GAIN, Detector, HeadName, ModelConfig, Residual, masked_mean

TINY = ModelConfig(
    layers=(1, 1, 1, 1), groups=4, width_per_group=2, feature_dim=8, head="mean", head_dim=8, frames=4, input_size=32
)
HEADS: list[HeadName] = ["gru", "lstm", "transformer", "mean", "lineage"]


def tiny(head: HeadName = "mean") -> Detector:
    torch.manual_seed(0)
    return Detector(msgspec.structs.replace(TINY, head=head)).eval()


@pytest.mark.parametrize("head", HEADS)
def test_forward_is_encode_then_head(head: HeadName) -> None:
    model, windows = tiny(head), torch.randn(2, 4, 3, 32, 32)
    with torch.inference_mode():
        features = model.encode(windows.flatten(0, 1))
        assert features.shape == (8, 8)
        logits = model.head(features.view(2, 4, 8))
        assert logits.shape == (2,)
        torch.testing.assert_close(model(windows), logits)


@pytest.mark.parametrize("head", HEADS)
def test_full_mask_changes_nothing(head: HeadName) -> None:
    model, features = tiny(head), torch.randn(3, 4, 8)
    with torch.inference_mode():
        whole = model.head(features, torch.ones(3, 4, dtype=torch.bool))
        torch.testing.assert_close(whole, model.head(features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", ["transformer", "mean", "lineage"])
def test_masked_frames_do_not_count(head: HeadName) -> None:
    model, features = tiny(head), torch.randn(1, 4, 8)
    mask = torch.tensor([[True, True, False, False]])
    other = features.clone()
    other[:, 2:] += 5
    with torch.inference_mode():
        torch.testing.assert_close(model.head(features, mask), model.head(other, mask))
        assert not torch.allclose(model.head(features), model.head(other))


@pytest.mark.parametrize(("head", "sees_order"), [("mean", False), ("gru", True), ("lstm", True)])
def test_only_recurrent_heads_see_the_order(head: HeadName, sees_order: bool) -> None:
    model, features = tiny(head), torch.randn(1, 4, 8)
    with torch.inference_mode():
        shuffled = model.head(features[:, [2, 0, 3, 1]])
        assert torch.allclose(model.head(features), shuffled, atol=1e-6) is not sees_order


def test_masked_mean_of_nothing_is_zero() -> None:
    assert masked_mean(torch.ones(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool)).eq(0).all()


def test_default_is_resnext50_32x4d() -> None:
    from torchvision.models import resnext50_32x4d

    theirs = resnext50_32x4d(weights=None).eval()
    theirs.fc = torch.nn.Identity()
    ours = Detector(ModelConfig()).encoder.eval()
    ours.load_state_dict(theirs.state_dict())  # strict: the same names and shapes
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images))


def test_edge_variant_is_small() -> None:
    assert sum(p.numel() for p in Detector(EDGE).parameters()) < 10e6


def test_config_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(EDGE), type=ModelConfig) == EDGE


def test_residual_channels_are_what_a_blur_takes_away() -> None:
    flat, edge = torch.full((1, 3, 8, 8), 0.7), torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1.0
    quiet, loud = Residual()(flat), Residual()(edge)
    assert torch.equal(quiet[:, :3], flat)
    assert quiet[:, 3:].abs().max() < 1e-5
    assert loud[0, 3, 4, 3:5].tolist() == [-RESIDUAL_GAIN / 4, RESIDUAL_GAIN / 4]
    assert loud[..., :2].abs().max() == 0


def test_a_model_with_residual_channels_is_built_without_memory_of_its_own() -> None:
    config = msgspec.structs.replace(TINY, residual=True)
    with torch.device("meta"):
        names = Detector(config).state_dict().keys()
    assert names == Detector(config).state_dict().keys()
    assert not any("inward" in name for name in names)
