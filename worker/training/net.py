"""The network in training: the detector on single frames, a mask head beside it, and the loss of a batch of pairs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from wire.errors import ServiceError
from worker.model import Detector, ModelConfig
from worker.training.recipe import Recipe
from worker.training.sampler import UNKNOWN


class TrainingNet(nn.Module):
    """The detector on single frames, with a head for the mask on the encoder's third stage; dropped at export."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.detector = Detector(config)
        self.mask = nn.Conv2d(1024, 1, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, S, S) to logits (N) and the logits of the mask (N, S/16, S/16)."""
        net = self.detector.encoder
        middle = net.third(self.detector.inward(images))  # (N, 1024, S/16, S/16)
        features = self.detector.projection(net.rest(middle))  # (N, D)
        return self.detector.head(features.unsqueeze(1)), self.mask(middle).squeeze(1)


def losses(logits: Tensor, maps: Tensor, labels: Tensor, masks: Tensor, recipe: Recipe) -> dict[str, Tensor]:
    """The total and its parts, from logits (2N), maps and masks (2N, M, M) and labels (2N), reals first.

    Binary cross-entropy, a rank loss between the two members of each pair (the artefact must move the logit more than
    the person does), and cross-entropy of a coarse map of what was replaced, where that is known.
    """
    pairs = len(logits) // 2
    bce = functional.binary_cross_entropy_with_logits(logits, labels)
    rank = functional.softplus(logits[:pairs] - logits[pairs:]).mean()
    known = (masks != UNKNOWN).float()
    wanted = masks.clamp(min=0)
    cells = functional.binary_cross_entropy_with_logits(maps, wanted, weight=known, reduction="sum")
    mask = cells / known.sum().clamp(min=1)
    total = bce + recipe.rank_weight * rank + recipe.mask_weight * mask
    return {"total": total, "bce": bce, "rank": rank, "mask": mask}


def load_imagenet(detector: Detector) -> None:
    """Puts torchvision's ImageNet weights into the encoder. Raises ServiceError where they can't be had or don't fit.

    A network with residual channels gets the first layer's kernels for the colours, and nothing for the residuals yet.
    """
    from torchvision.models import ResNeXt50_32X4D_Weights

    try:
        weights = ResNeXt50_32X4D_Weights.IMAGENET1K_V2.get_state_dict(progress=True, check_hash=True)
    except (OSError, RuntimeError) as error:
        remedy = "connect to the internet once, or put the file torchvision names into $TORCH_HOME/hub/checkpoints"
        raise ServiceError(f"ImageNet weights can't be fetched ({error})", remedy) from error
    state = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    if detector.config.residual:
        colours = state["conv1.weight"]
        state["conv1.weight"] = torch.cat([colours, torch.zeros_like(colours)], 1)
    try:
        detector.encoder.load_state_dict(state)
    except RuntimeError as error:
        remedy = "set model.layers to [3, 4, 6, 3], groups to 32 and width_per_group to 4, or init to random"
        raise ServiceError("ImageNet weights are ResNeXt-50 32x4d's, the recipe's model is another", remedy) from error


def native_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; elsewhere it is slower than fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    probe = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(probe()) if probe else False
