"""Every backend against plain fp32 PyTorch on the same pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.making import FRAMES
from wire.errors import ServiceError
from wire.settings import WorkerSettings
from worker import checkpoint
from worker.backend import Backend, open_backend, warm_up

CUDA = torch.cuda.is_available()
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no CUDA device"))]
TOLERANCE = 0.02  # of the probability


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2 * FRAMES, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def made(tiny: Path, device: str) -> Backend:
    return open_backend(checkpoint.load(tiny).model, WorkerSettings(device=device, threads=1))  # type: ignore[arg-type]


@pytest.mark.parametrize("device", DEVICES)
def test_agrees_with_plain_torch(tiny: Path, device: str, images: torch.Tensor) -> None:
    model = checkpoint.load(tiny).model
    with torch.inference_mode():
        wanted = torch.sigmoid(model(images.view(2, FRAMES, 3, 32, 32))).numpy()
    backend = made(tiny, device)
    features = backend.encode(images)
    assert (features.dtype, features.shape) == (np.float16, (2 * FRAMES, 16))
    logits = backend.head(features.reshape(2, FRAMES, 16), np.ones((2, FRAMES), np.bool_))
    assert (logits.dtype, logits.shape) == (np.float32, (2,))
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(wanted, abs=TOLERANCE)


@pytest.mark.parametrize("device", DEVICES)
def test_a_frame_s_features_do_not_depend_on_its_company(tiny: Path, device: str, images: torch.Tensor) -> None:
    backend = made(tiny, device)
    together, alone = backend.encode(images), np.concatenate([backend.encode(one[None]) for one in images])
    assert together == pytest.approx(alone, abs=0.02 if device == "cuda" else 0.002)


@pytest.mark.parametrize("device", DEVICES)
def test_warms_up(tiny: Path, device: str) -> None:
    backend = made(tiny, device)
    warm_up(backend, checkpoint.load(tiny).meta.config)
    assert device in backend.name


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_asking_for_cuda_without_one_says_what_to_do(tiny: Path) -> None:
    with pytest.raises(ServiceError, match="set it to auto or cpu"):
        made(tiny, "cuda")


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_auto_takes_what_is_there(tiny: Path) -> None:
    assert made(tiny, "auto").name == "cpu, 1 threads"
