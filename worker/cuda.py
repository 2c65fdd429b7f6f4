"""PyTorch on CUDA: bf16 autocast, channels last; the head stays in fp32."""

from __future__ import annotations

import torch

from worker.backend import Half, Mask, Single
from worker.model import Detector
from worker.preprocess import Pixels, normalise
from worker.torch_cpu import half, single


class TorchCuda:
    """To be replaced by the branch `cuda`."""

    chunk = 256
    lanes = 1

    def __init__(self, model: Detector) -> None:
        self._device = torch.device("cuda")
        self.name = f"cuda, {torch.cuda.get_device_name(self._device)}"
        self._model = model.eval().to(self._device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, images: Pixels) -> Half:
        """See Backend."""
        moved = normalise(images, self._model.config).to(self._device)
        with torch.autocast("cuda", torch.bfloat16):
            return half(self._model.encode(moved.contiguous(memory_format=torch.channels_last)))

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend."""
        moved = torch.from_numpy(features).to(self._device).float()
        return single(self._model.head(moved, torch.from_numpy(mask).to(self._device)))
