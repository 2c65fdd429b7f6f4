"""Checkpoint files: the round trip, and one line for each way a file can be unfit."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.worker.test_model import TINY, tiny
from wire.errors import CheckpointError
from worker.checkpoint import DEFAULT, KEY, Measured, Meta, Threshold, Thresholds, describe, load, save

META = Meta(
    name="test",
    config=TINY,
    temperature=1.5,
    thresholds=Thresholds(suspect=Threshold(0.6, 0.05), fake=Threshold(0.9, 0.01)),
    data_digest="d",
    passes=10,
    metrics={"dfdc_frames": Measured(0.7, 0.6, 0.8)},
    baseline=True,
    created="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.safetensors"
    save(path, tiny(), META)
    return path


def rewritten(path: Path, **changes: object) -> Path:
    """A copy of the checkpoint with other metadata fields."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        meta = json.loads(file.metadata()[KEY])
    meta.update(changes)
    save_file(tensors, path, metadata={KEY: json.dumps(meta)})
    return path


def test_round_trip(tmp_path: Path) -> None:
    model = tiny()
    stamped = save(tmp_path / "a.safetensors", model, META)
    loaded, meta = load(tmp_path / "a.safetensors")
    assert meta == stamped
    assert msgspec.structs.replace(meta, weights_sha256="") == META
    assert meta.model_id == f"test-{meta.weights_sha256[:8]}"
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(loaded.encode(images), model.encode(images), rtol=0.02, atol=0.02)
    assert not loaded.training


def test_weights_are_fp16(good: Path) -> None:
    with safe_open(good, framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118


def test_model_id_follows_the_weights(tmp_path: Path) -> None:
    model = tiny()
    first = save(tmp_path / "a.safetensors", model, META)
    again = save(tmp_path / "b.safetensors", model, META)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    other = save(tmp_path / "c.safetensors", model, META)
    assert first.model_id == again.model_id != other.model_id


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="file not found"):
        load(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip", b"\xff" * 400])
def test_not_safetensors(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load(path)


def test_truncated(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load(good)


def test_metadata_nested_without_end(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={KEY: '{"x": ' + "[" * 5000})
    with pytest.raises(CheckpointError, match="unreadable metadata"):
        describe(path)


def test_without_metadata(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="without 'unmask' metadata"):
        load(path)


def test_other_version(good: Path) -> None:
    with pytest.raises(CheckpointError, match="format 99, this build reads 1"):
        load(rewritten(good, format=99))


@pytest.mark.parametrize("changes", [{"temperature": "hot"}, {"config": None}, {"format": "x"}])
def test_unreadable_metadata(good: Path, changes: dict[str, object]) -> None:
    with pytest.raises(CheckpointError, match="unreadable metadata"):
        load(rewritten(good, **changes))


def test_shapes_that_do_not_fit(good: Path) -> None:
    config = msgspec.to_builtins(msgspec.structs.replace(TINY, feature_dim=9))
    with pytest.raises(CheckpointError, match=r"has shape \[.*\], its configuration needs \[.*\]"):
        load(rewritten(good, config=config))


def test_tensors_of_another_architecture(good: Path) -> None:
    config = msgspec.to_builtins(msgspec.structs.replace(TINY, head="gru"))
    with pytest.raises(CheckpointError, match="tensor temporal"):
        load(rewritten(good, config=config))


def test_configuration_nothing_can_be_built_from(good: Path) -> None:
    config = msgspec.to_builtins(msgspec.structs.replace(TINY, groups=3, width_per_group=1))
    with pytest.raises(CheckpointError) as caught:
        load(rewritten(good, config=config))
    assert "\n" not in str(caught.value)


def test_every_error_is_one_line_with_path_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "none.safetensors")
    assert str(tmp_path / "none.safetensors") in str(caught.value)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_nothing_is_left_of_an_interrupted_save(good: Path) -> None:
    assert [path.name for path in good.parent.iterdir()] == ["good.safetensors"]


@pytest.mark.skipif(not DEFAULT.exists(), reason="the default checkpoint is not in this checkout")
def test_a_full_disk_is_one_line_and_costs_nothing(good: Path) -> None:
    before = good.read_bytes()
    good.with_name(good.name + ".partial").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"can't be written \(No space left on device\): make room"):
        save(good, tiny(), META)
    assert good.read_bytes() == before
    assert list(good.parent.iterdir()) == [good]


def test_default_checkpoint_serves() -> None:
    model, meta = load()
    assert DEFAULT.stat().st_size <= 40 * 2**20
    assert meta.baseline
    assert 0.5 < meta.thresholds.suspect.p < meta.thresholds.fake.p < 1
    size = meta.config.input_size
    with torch.inference_mode():
        logits = model(torch.zeros(1, meta.config.frames, 3, size, size))
    assert logits.shape == (1,)
    assert bool(torch.isfinite(logits).all())


ABSURD = {
    "name": "../../x\x1b[2J",
    "temperature": 0.0,
    "thresholds": {"suspect": {"p": 5.0, "false_alarm": None}, "fake": {"p": 0.9, "false_alarm": None}},
    "layers": (10**9, 1, 1, 1),
    "feature_dim": 2**40,
    "frames": 10**9,
    "input_size": 10**6,
    "std": (0.0, 1.0, 1.0),
    "crop_margin": 1e9,
    "width_per_group": -4,
}


@pytest.mark.parametrize("field", ABSURD)
def test_absurd_metadata_is_refused_before_anything_is_built(good: Path, field: str) -> None:
    """A layer count of a thousand million would be built for hours, an input of a million pixels' side for ever."""
    fields = msgspec.structs.fields(Meta)
    config = msgspec.to_builtins(TINY) | {field: ABSURD[field]}
    changes = {field: ABSURD[field]} if field in {one.name for one in fields} else {"config": config}
    began = time.monotonic()
    with pytest.raises(CheckpointError, match="unreadable metadata") as caught:
        load(rewritten(good, **changes))
    assert time.monotonic() - began < 20
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_book_in_the_metadata(good: Path) -> None:
    with pytest.raises(CheckpointError, match=r"2\.0 MB of metadata, the limit is 1 MB"):
        load(rewritten(good, data_digest="x" * 2_000_000))


def test_tensors_larger_than_the_file(good: Path) -> None:
    """A header that claims a terabyte: nothing is reserved for it."""
    header = {"encoder": {"dtype": "F16", "shape": [2**39], "data_offsets": [0, 2**40]}}
    text = json.dumps(header).encode()
    good.write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 100)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load(good)


def test_a_file_of_terabytes(good: Path) -> None:
    with good.open("r+b") as file:
        file.truncate(3_000_000_000)  # a hole: it takes no room
    with pytest.raises(CheckpointError, match=r"3\.0 GB, the limit is 2 GB"):
        load(good)


def test_a_pickle_called_safetensors_is_never_run(tmp_path: Path) -> None:
    path, sprung = tmp_path / "x.safetensors", tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load(path)
    assert not sprung.exists()
    pickle.loads(path.read_bytes())
    assert sprung.exists(), "the trap works where a file is trusted"


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)
