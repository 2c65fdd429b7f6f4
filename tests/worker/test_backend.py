"""Every backend against plain fp32 PyTorch on the same pictures."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.clips import portrait
from tests.worker.making import FRAMES
from wire.errors import ServiceError
from wire.settings import WorkerSettings
from worker import checkpoint
from worker.backend import ASIDE, Backend, open_backend, warm_up
from worker.calibration import probability
from worker.model import Residual
from worker.openvino_cpu import NICER
from worker.preprocess import Pixels, normalise, pixels

CUDA = torch.cuda.is_available()
DEVICES = ["torch-cpu", "cpu", pytest.param("cuda", marks=pytest.mark.skipif(not CUDA, reason="no CUDA device"))]
TOLERANCE = 0.02  # of the probability
SIDE = 32


@pytest.fixture
def images() -> Pixels:
    """Smooth pictures with noise, as many as two windows have."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (2 * FRAMES, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    return np.clip(coarse + random.normal(0, 12, coarse.shape), 0, 255).astype(np.uint8)


def made(path: Path, device: str, threads: int = 1) -> Backend:
    settings = WorkerSettings(device=device, threads=threads)  # type: ignore[arg-type]
    return open_backend(checkpoint.load(path).model, settings)


def sliced(backend: Backend, images: Pixels) -> np.ndarray:
    return np.concatenate(
        [backend.encode(images[at : at + backend.chunk]) for at in range(0, len(images), backend.chunk)]
    )


def test_what_is_encoded_aside_is_the_same_and_gives_way(tiny: Path, images: Pixels) -> None:
    backend = made(tiny, "cpu", threads=2)
    assert backend.aside is not None
    wanted = sliced(backend, images[:7])
    found = np.concatenate([backend.aside(images[:ASIDE]), backend.aside(images[ASIDE:7])])
    assert found == pytest.approx(wanted, abs=0.01), "a slice that is not full too"
    if sys.platform == "linux":
        ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        nice = [os.getpriority(os.PRIO_PROCESS, int(one)) for one in os.listdir("/proc/self/task")]
        assert sum(one >= min(19, ours + NICER) for one in nice) >= 2, "a thread for each lane"


@pytest.mark.parametrize("device", DEVICES)
def test_agrees_with_plain_torch(tiny: Path, device: str, images: Pixels) -> None:
    model = checkpoint.load(tiny).model
    with torch.inference_mode():
        windows = normalise(images, model.config).view(2, FRAMES, 3, SIDE, SIDE)
        wanted = torch.sigmoid(model(windows)).numpy()
    backend = made(tiny, device)
    features = sliced(backend, images)
    assert (features.dtype, features.shape) == (np.float16, (2 * FRAMES, 16))
    logits = backend.head(features.reshape(2, FRAMES, 16), np.ones((2, FRAMES), np.bool_))
    assert (logits.dtype, logits.shape) == (np.float32, (2,))
    assert 1 / (1 + np.exp(-logits)) == pytest.approx(wanted, abs=TOLERANCE)


@pytest.mark.parametrize("device", DEVICES[1:])
def test_the_checkpoint_that_comes_with_unmask_says_the_same_on_every_backend(device: str) -> None:
    """On a real face as cameras see it: moved, near and far, dark and light, noisy, soft."""
    meta = checkpoint.load(checkpoint.DEFAULT).meta
    crops = pixels([seen(number) for number in range(64)], meta.config)
    mask = np.ones((64, 1), np.bool_)
    answers = []
    for name in ("torch-cpu", device):
        backend = made(checkpoint.DEFAULT, name, threads=2)
        logits = backend.head(sliced(backend, crops)[:, None], mask)  # each crop as a window of its own
        answers.append(np.array([probability(logit, meta.temperature) for logit in logits.tolist()]))
    assert np.ptp(answers[0]) > 0.3, "the crops differ, so the test says something"
    assert np.abs(answers[0] - answers[1]).max() <= TOLERANCE


def seen(number: int) -> np.ndarray:
    """A crop of the portrait, 224 px."""
    random = np.random.default_rng(number)
    side = int(random.integers(120, 260))
    top, left = (int(middle + random.integers(-20, 20) - side / 2) for middle in (125, 223))
    top, left = max(0, top), max(0, left)
    crop = portrait()[top : top + side, left : left + side].astype(np.float32)
    crop = crop * random.uniform(0.5, 1.4) + random.normal(0, random.uniform(0, 12), crop.shape)
    return np.clip(crop, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("device", DEVICES)
def test_a_frame_s_features_do_not_depend_on_its_company(tiny: Path, device: str, images: Pixels) -> None:
    backend = made(tiny, device)
    alone = np.concatenate([backend.encode(one[None]) for one in images])
    assert sliced(backend, images) == pytest.approx(alone, abs=0.002 if device == "torch-cpu" else 0.02)


@pytest.mark.parametrize("flipped", [True, False])
def test_openvino_s_residual_is_the_model_s(images: Pixels, flipped: bool) -> None:
    """One convolution instead of blur, difference and concatenation, that takes BGR where the model takes RGB."""
    openvino_cpu = pytest.importorskip("worker.openvino_cpu")
    ordered = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    found = openvino_cpu._residual(flipped)(ordered.flip(1) if flipped else ordered)
    torch.testing.assert_close(found, Residual()(ordered), rtol=0, atol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_lanes_at_once_give_what_one_gives(tiny: Path, device: str, images: Pixels) -> None:
    backend = made(tiny, device, threads=3)
    assert backend.lanes >= 1
    wanted, found = sliced(backend, images), dict[int, np.ndarray]()

    def lane(number: int) -> None:
        for _ in range(20):
            found[number] = sliced(backend, images)

    threads = [threading.Thread(target=lane, args=(number,)) for number in range(5)]  # more than there are lanes
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5
    for features in found.values():
        assert features == pytest.approx(wanted, abs=0.002 if device == "torch-cpu" else 0.02)


@pytest.mark.parametrize(("device", "name"), [("torch-cpu", "PyTorch on the CPU, fp32"), ("cpu", "OpenVINO")])
def test_warms_up_and_says_what_it_is(tiny: Path, device: str, name: str) -> None:
    backend = made(tiny, device)
    warm_up(backend, checkpoint.load(tiny).meta.config)
    assert backend.name.startswith(name)
    assert backend.name.endswith(", 1 threads")


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_asking_for_cuda_without_one_says_what_to_do(tiny: Path) -> None:
    with pytest.raises(ServiceError, match="set it to auto or cpu"):
        made(tiny, "cuda")


@pytest.mark.skipif(CUDA, reason="there is a CUDA device")
def test_auto_takes_what_is_there(tiny: Path) -> None:
    assert made(tiny, "auto").name.startswith("OpenVINO")


def test_without_openvino_the_worker_still_scores(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "worker.openvino_cpu", None)  # as where there is no wheel
    assert made(tiny, "cpu").name.startswith("PyTorch")
    assert "no OpenVINO" in capsys.readouterr().out


def test_a_model_that_openvino_can_not_convert_is_scored_all_the_same(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forward(self: Any, images: torch.Tensor) -> torch.Tensor:
        return torch.special.i0(self.model.projection(self.model.encoder(images)))  # it has no such operation

    monkeypatch.setattr("worker.openvino_cpu._Encoder.forward", forward)
    assert made(tiny, "cpu").name.startswith("PyTorch")
    assert "aten::i0" in capsys.readouterr().out


def test_openvino_is_loaded_without_what_reports_its_use() -> None:
    from openvino.tools import ovc

    assert type(ovc.telemetry).__module__ == "openvino.tools.ovc.telemetry_stub"
