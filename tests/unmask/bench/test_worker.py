"""The benchmark of a worker in short: real processes, figures that can be true."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from unmask.bench.limit import measure
from worker.backend import Half, Mask, Pixels, Single

KEYS = {
    "ratio", "overlap_gain", "baseline_gain", "crops_per_s", "windows_per_s", "raw_crops_per_s", "baseline_crops_per_s",
    "device", "model", "seconds", "busy",
}  # fmt: skip

# One round, not three: each scores some two thousand crops, however short the spans are.
SHORT = "import unmask.bench.worker as worker; worker.ROUNDS = 1; from unmask.__main__ import main; main()"


class Counting:
    """A backend that counts: no figure of a real one could be checked."""

    name, chunk, lanes = "counting", 8, 3

    def __init__(self) -> None:
        self.images = 0

    def encode(self, images: Pixels) -> Half:
        assert images.shape == (self.chunk, 32, 32, 3)
        self.images += len(images)
        return images.reshape(len(images), -1)[:, :4].astype("float16")

    def head(self, features: Half, mask: Mask) -> Single:
        raise NotImplementedError


def test_the_raw_limit_is_what_all_lanes_did() -> None:
    backend = Counting()
    rate = measure(backend, 32, 0.2)
    most = backend.images / 0.2  # a lane ends its last batch, on a busy machine some time later
    assert most / 2 < rate <= most, "of one lane it would be a third"


@pytest.mark.timeout(300)
def test_a_worker_is_measured_against_its_own_backend() -> None:
    asked = ("bench", "worker", "--json", "--seconds", "0.5", "--faces", "2", "--force")
    command = [sys.executable, "-c", SHORT, *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() >= KEYS
    assert 0.1 < found["ratio"] < 1.3, "other tests may be running"
    assert found["overlap_gain"] > 1.2
    assert found["baseline_gain"] > 1
    assert found["unscored"] == 0
    assert found["crops_per_s"] == pytest.approx(4 * found["windows_per_s"], rel=0.01)
    assert 0 < found["feeder_cpu"] < 0.5
    assert len(found["raw_spans"]) == 3
