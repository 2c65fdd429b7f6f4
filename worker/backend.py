"""Where the network runs: one small protocol, and the choice among the engines behind it.

Another engine is one more class with these members and a line in `open_backend`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import structlog
import torch

from wire.errors import ServiceError
from wire.settings import WorkerSettings
from worker.model import Detector, ModelConfig
from worker.preprocess import Pixels

Half = npt.NDArray[np.float16]
Single = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


ASIDE = 4  # images at once that give way: the new ones of a window
# What gives way may take so many times as long as what does not until it counts as hung: where others want all of the
# processor it is left a tenth (`openvino_cpu.NICER`), and can be starved for longer than HUNG_S though nothing hangs.
PATIENCE = 10.0


class Backend(Protocol):
    """The two halves of a Detector on some device."""

    name: str  # for people: "OpenVINO, bf16, 2 threads"
    chunk: int  # most images `encode` is given at once
    lanes: int  # how many threads may, and should, call `encode` at once to fill the device

    @property
    def aside(self) -> Callable[[Pixels], Half] | None:
        """Like `encode`, for up to ASIDE images and as many threads again, and gives way to it; None: it can't."""

    def encode(self, images: Pixels) -> Half:
        """Pixels (N, S, S, 3), N at most `chunk`, not normalised, to features (N, D). Any thread may call it."""

    def head(self, features: Half, mask: Mask) -> Single:
        """Features (B, T, D) and mask (B, T), True where a frame counts, to logits (B). One thread at a time."""


def open_backend(model: Detector, settings: WorkerSettings) -> Backend:
    """The backend for `settings.device`; it takes the model over. Raises ServiceError where the device is not there."""
    threads = settings.threads or cores()
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ServiceError("worker.device is cuda and PyTorch finds no CUDA device", "set it to auto or cpu")
    if settings.device in ("auto", "cuda") and torch.cuda.is_available():
        from worker.cuda import TorchCuda

        return TorchCuda(model)
    if settings.device != "torch-cpu":
        try:
            from worker.openvino_cpu import OpenVino

            return OpenVino(model, threads)
        except (ImportError, RuntimeError) as error:  # no wheel for this machine, or a model it can't convert
            reason = " ".join(str(error).split())[:160]
            structlog.get_logger().warning("no OpenVINO: PyTorch is several times as slow", error=reason)
    from worker.torch_cpu import TorchCpu

    return TorchCpu(model, threads)


def warm_up(backend: Backend, config: ModelConfig) -> float:
    """Every size of batch once, so that no real one pays for an allocation or the choice of a kernel. Seconds that a
    window of new frames takes about, as fast as the machine is just now."""
    size, frames, dim = config.input_size, config.frames, config.feature_dim
    for count in range(backend.chunk, 0, -1) if backend.chunk <= 16 else (backend.chunk, 1):
        backend.encode(np.zeros((count, size, size, 3), np.uint8))
    if backend.aside is not None:
        backend.aside(np.zeros((ASIDE, size, size, 3), np.uint8))
    backend.head(np.zeros((2, frames, dim), np.float16), np.ones((2, frames), np.bool_))
    count, began = min(frames, backend.chunk), time.monotonic()
    backend.encode(np.zeros((count, size, size, 3), np.uint8))
    return (time.monotonic() - began) * frames / count / backend.lanes


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
