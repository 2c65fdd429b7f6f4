"""Where the network runs: one small protocol, with PyTorch on the CPU and on CUDA behind it.

Another engine (OpenVINO, say) is one more class with these two methods and a line in `open_backend`.
"""

from __future__ import annotations

import os
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wire.errors import ServiceError
from wire.settings import WorkerSettings
from worker.model import Detector, ModelConfig

Half = npt.NDArray[np.float16]
Single = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Backend(Protocol):
    """The two halves of a Detector on some device."""

    name: str  # for people: "cpu, 2 threads"
    chunk: int  # most images `encode` is given at once

    def encode(self, images: Tensor) -> Half:
        """Prepared float32 images (N, 3, S, S), N at most `chunk`, to features (N, D)."""

    def head(self, features: Half, mask: Mask) -> Single:
        """Features (B, T, D) and mask (B, T), True where a frame counts, to logits (B)."""


class TorchCpu:
    """fp32, channels last; the reference every other backend is compared with."""

    chunk = 16  # more gives no speed and costs memory

    def __init__(self, model: Detector, threads: int) -> None:
        count = threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads
        if count:
            torch.set_num_threads(count)
        self.name = f"cpu, {torch.get_num_threads()} threads"
        self._model = model.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Half:
        """See Backend."""
        return _half(self._model.encode(images.contiguous(memory_format=torch.channels_last)))

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend."""
        return _single(self._model.head(torch.from_numpy(features).float(), torch.from_numpy(mask)))


class TorchCuda:
    """bf16 autocast, channels last, copies from pinned memory; the head stays in fp32."""

    chunk = 256

    def __init__(self, model: Detector) -> None:
        self._device = torch.device("cuda")
        self.name = f"cuda, {torch.cuda.get_device_name(self._device)}"
        self._model = model.eval().to(self._device).to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def encode(self, images: Tensor) -> Half:
        """See Backend."""
        moved = images.pin_memory().to(self._device, non_blocking=True)
        with torch.autocast("cuda", torch.bfloat16):
            features = self._model.encode(moved.contiguous(memory_format=torch.channels_last))
        return _half(features.cpu())

    @torch.inference_mode()
    def head(self, features: Half, mask: Mask) -> Single:
        """See Backend."""
        moved = torch.from_numpy(features).to(self._device).float()
        return _single(self._model.head(moved, torch.from_numpy(mask).to(self._device)).cpu())


def open_backend(model: Detector, settings: WorkerSettings) -> Backend:
    """The backend for `settings.device`. Raises ServiceError when CUDA is asked for and there is none."""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ServiceError("worker.device is cuda and PyTorch finds no CUDA device", "set it to auto or cpu")
    if settings.device != "cpu" and torch.cuda.is_available():
        return TorchCuda(model)
    return TorchCpu(model, settings.threads)


def warm_up(backend: Backend, config: ModelConfig) -> None:
    """One full and one small pass, so that the first real batch pays for no allocation or kernel choice."""
    size, frames, dim = config.input_size, config.frames, config.feature_dim
    for count in (backend.chunk, 1):
        backend.encode(torch.zeros(count, 3, size, size))
    backend.head(np.zeros((2, frames, dim), np.float16), np.ones((2, frames), np.bool_))


def _half(features: Tensor) -> Half:
    values: Half = features.float().numpy().astype(np.float16)
    return values


def _single(logits: Tensor) -> Single:
    values: Single = logits.float().numpy()
    return values
