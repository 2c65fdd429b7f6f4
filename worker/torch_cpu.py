"""Plain PyTorch on the CPU: the reference every other backend is compared with, and the last resort."""

from __future__ import annotations

import threading

import torch

from worker.backend import Half, Mask, Single
from worker.model import Detector
from worker.preprocess import Pixels, normalise


class TorchCpu:
    """fp32, channels last. PyTorch's own threads share one call, so there is one lane."""

    chunk = 16  # more gives no speed and costs memory
    lanes = 1
    aside = None

    def __init__(self, model: Detector, threads: int) -> None:
        torch.set_num_threads(threads)
        self.name = f"PyTorch on the CPU, fp32, {threads} threads"
        self._model = model.eval().to(memory_format=torch.channels_last)
        self._lock = threading.Lock()

    @torch.inference_mode()
    def encode(self, images: Pixels) -> Half:
        """See Backend."""
        with self._lock:
            batch = normalise(images, self._model.config).contiguous(memory_format=torch.channels_last)
            return half(self._model.encode(batch))

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend."""
        return single(self._model.head(torch.from_numpy(features).float(), torch.from_numpy(mask)))


def half(features: torch.Tensor) -> Half:
    """As float16 in memory of its own."""
    values: Half = features.float().cpu().numpy().astype("float16")
    return values


def single(logits: torch.Tensor) -> Single:
    """As float32."""
    values: Single = logits.float().cpu().numpy()
    return values
