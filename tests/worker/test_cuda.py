"""PyTorch on CUDA against fp32 on the CPU, on one thread and on many. What needs no device: test_lanes, test_bf16."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.worker.pictures import Pixels, crops, frame_probabilities
from worker import checkpoint
from worker.backend import Half
from worker.bf16 import Bf16Encoder
from worker.cuda import TorchCuda
from worker.model import Detector

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
TOLERANCE = 0.02  # of the probability
CHUNK = 16
ODD = (1, 2, 3, 5, 7, 11, 13, 16)


@pytest.fixture(scope="module")
def model() -> Detector:
    return checkpoint.load(checkpoint.DEFAULT).model


@pytest.fixture(scope="module")
def backend(model: Detector) -> TorchCuda:
    made = TorchCuda(model, CHUNK)
    assert "cuda" in made.name
    made.encode(crops(1, model.config.input_size))
    assert "no graphs" not in made.name
    return made


@pytest.fixture(scope="module")
def pixels(model: Detector) -> Pixels:
    return crops(CHUNK, model.config.input_size)


def probabilities(backend: TorchCuda, features: Half) -> np.ndarray:
    """Of each frame alone, 0..1, (N)."""
    logits = backend.head(features[:, None], np.ones((len(features), 1), np.bool_))
    assert (logits.dtype, logits.shape) == (np.float32, (len(features),))
    return np.asarray(1 / (1 + np.exp(-logits)))


@pytest.mark.parametrize("count", ODD)
def test_agrees_with_fp32_at_any_batch_size(backend: TorchCuda, model: Detector, pixels: Pixels, count: int) -> None:
    features = backend.encode(pixels[:count])
    assert (features.dtype, features.shape) == (np.float16, (count, model.config.feature_dim))
    found, wanted = probabilities(backend, features), frame_probabilities(model, pixels[:count])
    assert np.abs(found - wanted).max() <= TOLERANCE


def test_what_pads_a_slice_is_not_seen(backend: TorchCuda, pixels: Pixels) -> None:
    first = backend.encode(pixels[:5])
    backend.encode(pixels[::-1])
    assert np.array_equal(backend.encode(pixels[:5]), first)


def test_short_windows(backend: TorchCuda, model: Detector, pixels: Pixels) -> None:
    frames = model.config.frames
    features = np.zeros((2, frames, model.config.feature_dim), np.float16)
    mask = np.zeros((2, frames), np.bool_)
    for row, length in enumerate((frames, 3)):
        features[row, :length], mask[row, :length] = backend.encode(pixels[:length]), True
    with torch.inference_mode():
        wanted = model.head(torch.from_numpy(features).float(), torch.from_numpy(mask)).numpy()
    assert backend.head(features, mask) == pytest.approx(wanted, abs=1e-3)


def test_graph_and_eager_agree(backend: TorchCuda, model: Detector, pixels: Pixels) -> None:
    eager = TorchCuda(model, CHUNK, graphs=False)
    for count in ODD:
        found, wanted = (probabilities(one, one.encode(pixels[:count])) for one in (eager, backend))
        assert np.abs(found - wanted).max() <= TOLERANCE / 4  # cuDNN may have chosen other kernels


def test_many_threads_get_what_one_gets(backend: TorchCuda, pixels: Pixels) -> None:
    """More threads than lanes, slices of all sizes: no lane, buffer or graph is in two hands."""
    slices = [pixels[at : at + count] for count in ODD for at in range(CHUNK - count + 1)] * 4
    alone = [backend.encode(one) for one in slices]
    with ThreadPoolExecutor(2 * backend.lanes) as pool:
        together = list(pool.map(backend.encode, slices))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_head_runs_beside_the_encoder(backend: TorchCuda, pixels: Pixels) -> None:
    features = backend.encode(pixels)
    wanted = probabilities(backend, features)
    with ThreadPoolExecutor(backend.lanes) as pool:
        running = [pool.submit(backend.encode, pixels) for _ in range(50)]
        for _ in range(50):
            assert np.array_equal(probabilities(backend, features), wanted)
        assert all(np.array_equal(one.result(), features) for one in running)


def test_the_first_calls_of_many_threads_capture_once(model: Detector, pixels: Pixels) -> None:
    fresh = TorchCuda(model, 4)
    with ThreadPoolExecutor(fresh.lanes) as pool:
        found = list(pool.map(fresh.encode, [pixels[:3]] * fresh.lanes))
    assert all(np.array_equal(one, found[0]) for one in found)


def test_encoding_allocates_nothing_once_warm(backend: TorchCuda, pixels: Pixels) -> None:
    torch.cuda.synchronize()
    before = torch.cuda.memory_stats()["allocation.all.allocated"]
    for count in ODD:
        backend.encode(pixels[:count])
    assert torch.cuda.memory_stats()["allocation.all.allocated"] == before


def test_no_images_and_too_many(backend: TorchCuda, model: Detector) -> None:
    size = model.config.input_size
    assert backend.encode(np.empty((0, size, size, 3), np.uint8)).shape == (0, model.config.feature_dim)
    with pytest.raises(ValueError, match=f"at most {CHUNK} are taken"):
        backend.encode(np.zeros((CHUNK + 1, size, size, 3), np.uint8))


def test_without_graphs_it_goes_on(
    model: Detector, pixels: Pixels, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A pass that waits for the device, as nothing may while its work is captured."""
    plain = Bf16Encoder.forward

    def waiting(self: Bf16Encoder, images: torch.Tensor) -> torch.Tensor:
        torch.cuda.current_stream().synchronize()
        return plain(self, images)

    monkeypatch.setattr(Bf16Encoder, "forward", waiting)
    fallen = TorchCuda(model, CHUNK)
    with caplog.at_level(logging.WARNING):
        found = [probabilities(fallen, fallen.encode(pixels[:count])) for count in (CHUNK, 3)]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "no graphs" in fallen.name
    assert np.abs(found[0] - frame_probabilities(model, pixels)).max() <= TOLERANCE
    assert found[1] == pytest.approx(found[0][:3], abs=TOLERANCE / 4)
