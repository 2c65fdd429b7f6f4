"""The loss of a batch of pairs, and where weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import torchvision

from wire.errors import ServiceError
from worker.model import Detector, ModelConfig
from worker.training.net import TrainingNet, load_imagenet, losses
from worker.training.recipe import Recipe

RECIPE = Recipe()
FULL = ModelConfig(head="mean", input_size=64, residual=True)


def test_rank_loss_wants_the_fake_above_its_real() -> None:
    labels, masks = torch.tensor([0.0, 1.0]), torch.full((2, 2, 2), -1.0)
    right = losses(torch.tensor([-2.0, 2.0]), torch.zeros(2, 2, 2), labels, masks, RECIPE)
    wrong = losses(torch.tensor([2.0, -2.0]), torch.zeros(2, 2, 2), labels, masks, RECIPE)
    assert right["rank"] < 0.05 < 3 < wrong["rank"]
    assert right["mask"] == wrong["mask"] == 0  # nothing is known about these masks


def test_mask_loss_counts_known_cells_only() -> None:
    labels, maps = torch.tensor([0.0, 1.0]), torch.full((2, 1, 2), 4.0)
    masks = torch.tensor([[[-1.0, -1.0]], [[1.0, 1.0]]])
    assert losses(torch.zeros(2), maps, labels, masks, RECIPE)["mask"] < 0.05
    masks[1] = 0
    assert losses(torch.zeros(2), maps, labels, masks, RECIPE)["mask"] > 3


@pytest.mark.parametrize("residual", [False, True])
def test_what_is_trained_is_what_is_served(residual: bool) -> None:
    config = ModelConfig(
        layers=(1, 1, 1, 1), groups=4, width_per_group=4, head="mean", input_size=64, residual=residual
    )
    net, images = TrainingNet(config).eval(), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        logits, maps = net(images)
        torch.testing.assert_close(logits, net.detector(images.unsqueeze(1)))
    assert maps.shape == (2, 4, 4)


@pytest.fixture(scope="module")
def stand_in() -> dict[str, torch.Tensor]:
    """A state dict of torchvision's own layout, with weights nobody trained."""
    torch.manual_seed(3)
    return torchvision.models.resnext50_32x4d(weights=None).state_dict()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stand_in: dict[str, torch.Tensor]) -> Path:
    """Torchvision's cache with the stand-in in it, under the name that torchvision looks for."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    url = torchvision.models.ResNeXt50_32X4D_Weights.IMAGENET1K_V2.url
    path = folder / url.rsplit("/", 1)[1]
    torch.save(stand_in, path)
    return path


def test_imagenet_weights_come_from_torchvisions_cache(hub: Path, stand_in: dict[str, torch.Tensor]) -> None:
    detector = Detector(FULL)
    load_imagenet(detector)
    state = detector.encoder.state_dict()
    assert torch.equal(state["layer4.2.conv3.weight"], stand_in["layer4.2.conv3.weight"])
    assert torch.equal(state["conv1.weight"][:, :3], stand_in["conv1.weight"])
    assert state["conv1.weight"][:, 3:].abs().max() == 0


def test_imagenet_weights_of_another_architecture(hub: Path) -> None:
    with pytest.raises(ServiceError, match="layers to"):
        load_imagenet(Detector(msgspec.structs.replace(FULL, layers=(2, 2, 2, 2))))


def test_imagenet_weights_that_can_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refused)
    with pytest.raises(ServiceError, match="no network"):
        load_imagenet(Detector(FULL))
