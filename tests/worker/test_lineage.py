"""The community's ResNeXt-50 + LSTM files: what serves them gives what their own forward pass gives."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.support.lineage import Lineage, Picture, face_box, normalised, picture
from tests.worker.making import GOOD
from tests.worker.pictures import prepare
from wire.errors import CheckpointError
from wire.messages import Frame, Window
from wire.settings import Settings
from worker import checkpoint
from worker import lineage as layout_of
from worker.checkpoint import Checkpoint, Meta
from worker.model import LineageHead, Readout
from worker.preprocess import STREAM_MARGIN
from worker.scorer import Scorer

READOUTS: list[Readout] = ["last", "mean"]
FRAMES = 4  # T of what is converted here
CROP = 224


def crops(first: int, count: int = FRAMES) -> list[Picture]:
    """What the streamer cuts: 1.4 times the face box."""
    return [picture(first + i, CROP) for i in range(count)]


def theirs(model: Lineage, pictures: list[Picture], readout: Readout) -> float:
    """FAKE's probability by their forward pass on their input, a video at a time."""
    faces = [face_box(one, STREAM_MARGIN) for one in pictures]
    with torch.inference_mode():
        return float(model(normalised(faces), readout)[0, 0])


def window(seq: int, pictures: list[Picture]) -> tuple[Window, list[Picture]]:
    """A window of these crops, and the crops as they come out of the JPEGs."""
    jpegs = [cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes() for one in pictures]
    box = (10.0, 20.0, 120.0, 120.0)
    frames = tuple(Frame(100 * seq + i, 10.0 * seq + i / 6, box, raw) for i, raw in enumerate(jpegs))
    made = Window(
        camera="door", track="1-0", epoch=1, seq=seq, frame_size=(640, 480), quality=GOOD, enqueued=0.0, frames=frames
    )
    return made, [np.asarray(cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR), np.uint8) for raw in jpegs]


def scorer(path: Path, frames: int) -> Scorer:
    return Scorer(
        Settings(worker={"checkpoint": path, "device": "torch-cpu"}, window={"frames": frames, "view_margin": 1.0})
    )


@pytest.fixture(scope="module", params=READOUTS)
def adopted(request: pytest.FixtureRequest, lineage: tuple[Path, Lineage]) -> Checkpoint:
    return checkpoint.adopt(lineage[0], request.param, FRAMES)


@pytest.fixture(scope="module")
def converted(adopted: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("converted") / "new.safetensors"
    checkpoint.save(path, *adopted)
    yield path
    path.unlink()


def test_the_layout(lineage: tuple[Path, Lineage]) -> None:
    model = lineage[1]
    state = model.state_dict()
    assert len(state) == 322
    assert sum(value.numel() for value in model.parameters()) == 56_538_434
    assert {".".join(name.split(".")[:2]) for name in state if name.startswith("model.")} == {
        f"model.{child}" for child in (0, 1, 4, 5, 6, 7)
    }
    assert [name for name in state if not name.startswith("model.")] == [
        "lstm.weight_ih_l0", "lstm.weight_hh_l0", "linear1.weight", "linear1.bias"
    ]  # fmt: skip
    assert state["lstm.weight_ih_l0"].shape == state["lstm.weight_hh_l0"].shape == (8192, 2048)
    assert layout_of.layout() == {name: value.shape for name, value in state.items()}


def test_nothing_is_lost_and_nothing_made_up(adopted: Checkpoint, lineage: tuple[Path, Lineage]) -> None:
    ours, original = adopted.model.state_dict(), lineage[1].state_dict()
    assert len(ours) == 322
    assert sum(value.numel() for value in adopted.model.parameters()) == 56_538_434
    assert torch.equal(ours["encoder.layer4.2.bn3.running_var"], original["model.7.2.bn3.running_var"])
    assert torch.equal(ours["temporal.lstm.weight_hh_l0"], original["lstm.weight_hh_l0"])


def test_the_same_number_as_their_forward_pass(adopted: Checkpoint, lineage: tuple[Path, Lineage]) -> None:
    """Crops to probability in fp32, whole windows and one whose second half is masked out."""
    model, meta = adopted
    readout, clips = meta.config.readout, [crops(0), crops(10)]
    with torch.inference_mode():
        features = model.encode(prepare([one for clip in clips for one in clip], meta.config)).view(2, FRAMES, -1)
        whole = model.head(features).sigmoid().tolist()
        mask = torch.tensor([[True, True, False, False]])
        short = float(model.head(features[:1], mask).sigmoid())
    expected = [theirs(lineage[1], clip, readout) for clip in clips]
    assert whole == pytest.approx(expected, abs=1e-5)
    assert short == pytest.approx(theirs(lineage[1], clips[0][:2], readout), abs=1e-5)
    assert abs(expected[0] - expected[1]) > 0.05, "windows the model tells apart"
    other = theirs(lineage[1], clips[0], "mean" if readout == "last" else "last")
    assert abs(expected[0] - other) > 0.01, "the readouts differ"


def test_a_pt_file_is_served_as_it_is(lineage: tuple[Path, Lineage]) -> None:
    """`worker.checkpoint` names the .pt: readout `last`, 16 frames; features pass through the cache in fp16."""
    path, reference = lineage
    served = scorer(path, 16)
    made, seen = zip(*(window(0, crops(0, 16)), window(1, crops(30, 3))), strict=True)
    scores = served.score(made)
    expected = [theirs(reference, [clip[-1]], "last") for clip in seen]  # the newest frame alone: there is no memory
    assert [score.p_fake for score in scores] == pytest.approx(expected, abs=1e-3)
    assert scores[1].reason == "only 3 of 16 frames"
    assert scores[0].model.startswith("lineage-baseline-last-")
    assert served.caveat.endswith("nobody measured the false alarms of its thresholds")


def test_converted_it_scores_alike(converted: Path, adopted: Checkpoint, lineage: tuple[Path, Lineage]) -> None:
    """fp16 weights and features, through the worker's own path, against their forward pass in fp32."""
    made, seen = zip(*(window(seq, crops(10 * seq)) for seq in range(3)), strict=True)
    scores = scorer(converted, FRAMES).score(made)
    expected = [theirs(lineage[1], clip, adopted.meta.config.readout) for clip in seen]
    assert max(abs(score.p_fake - p) for score, p in zip(scores, expected, strict=True)) <= 0.02
    assert {score.model for score in scores} == {adopted.meta.model_id}, "one id for the .pt and what it becomes"


def test_what_its_metadata_says(converted: Path, adopted: Checkpoint) -> None:
    meta = checkpoint.load(converted).meta
    assert meta == adopted.meta
    assert (meta.temperature, meta.metrics, meta.data_digest, meta.passes, meta.baseline) == (1.0, {}, "", 0, True)
    assert (meta.thresholds.suspect.p, meta.thresholds.fake.p) == (0.5, 0.9)
    assert meta.thresholds.suspect.false_alarm is meta.thresholds.fake.false_alarm is None
    assert not meta.thresholds.measured
    assert b'"false_alarm":null' in msgspec.json.encode(meta)


def test_bgr_under_the_rgb_statistics_and_no_margin() -> None:
    """A blue face box in a white crop: blue comes first, under red's mean and deviation, and no white is seen."""
    crop = np.full((CROP, CROP, 3), 255, np.uint8)
    crop[32:192, 32:192] = (255, 0, 0)  # the middle 160 of 224 px: 1/1.4, the face box
    seen = prepare([crop], layout_of.config())
    assert seen.shape == (1, 3, 112, 112)
    expected = torch.tensor([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225]).view(3, 1, 1).expand(3, 112, 112)
    torch.testing.assert_close(seen[0], expected, rtol=0, atol=1e-5)


def test_the_recurrent_weights_never_act() -> None:
    """At batch 1 their LSTM has no memory: each frame starts from zero, in whatever order the frames come."""
    torch.manual_seed(0)
    head, features = LineageHead(8, "mean").eval(), torch.randn(2, 4, 8)
    with torch.inference_mode():
        before = head(features)
        head.lstm.weight_hh_l0.mul_(100)
        torch.testing.assert_close(head(features), before)
        torch.testing.assert_close(head(features.flip(1)), before)
        states = torch.stack([head.lstm(clip.unsqueeze(0))[0][0] for clip in features])  # each clip as a batch of one
        fake, real = head.linear1(states.mean(1)).unbind(-1)
        torch.testing.assert_close(before, fake - real)
        assert not torch.allclose(head.linear1(head.lstm(features)[0].mean(1))[1].diff(), real[1] - fake[1], atol=1e-4)


def hollow() -> dict[str, Tensor]:
    """A state dict of the layout in a few kilobytes: every tensor is one zero, seen many times."""
    zero, count = torch.zeros(()), torch.zeros((), dtype=torch.int64)
    return {
        name: (count if name.endswith("num_batches_tracked") else zero).expand(shape)
        for name, shape in layout_of.layout().items()
    }


def without_counters(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    "wrap",
    [
        dict,
        without_counters,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model_state_dict": state, "optimizer": {"lr": 1e-5}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {name: value.half() if value.is_floating_point() else value for name, value in state.items()},
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_ways_to_save_it(wrap: Callable[[dict[str, Tensor]], object], zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save(wrap(hollow()), path, _use_new_zipfile_serialization=zipped)
    tensors = layout_of.read(path)
    assert len(tensors) == 322 - 53
    assert {value.dtype for value in tensors.values()} == {torch.float32}


def changed(**changes: object) -> dict[str, object]:
    """The hollow state dict with `.` written as `__` in the changed names; None takes one out."""
    state: dict[str, object] = {**hollow(), **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: value for name, value in state.items() if value is not None}


def truncated(path: Path, zipped: bool) -> None:
    torch.save(hollow(), path, _use_new_zipfile_serialization=zipped)
    os.truncate(path, path.stat().st_size // 2)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent": (lambda path: None, "file not found"),
    "folder": (lambda path: path.mkdir(), "can't be read"),
    "empty": (lambda path: path.touch(), "not a whole PyTorch file"),
    "text": (lambda path: path.write_text("hello, this is a text\n" * 30), "not a whole PyTorch file"),
    "noise": (lambda path: path.write_bytes(bytes(range(255, 0, -1)) * 9), "not a whole PyTorch file"),
    "safetensors": (lambda path: save_file({"a": torch.zeros(9)}, path), "not a whole PyTorch file"),
    "cut zip": (lambda path: truncated(path, True), "not a whole PyTorch file"),
    "cut pickle": (lambda path: truncated(path, False), "not a whole PyTorch file"),
    "whole module": (lambda path: torch.save(torch.nn.Linear(2, 2), path), "torch.nn.modules.linear.Linear"),
    "list": (lambda path: torch.save([1, 2], path), "holds a list, not a state dict"),
    "nothing": (lambda path: torch.save({}, path), "holds a dict, not a state dict"),
    "other model": (lambda path: torch.save({"fc.weight": torch.zeros(2)}, path), "lacks tensor linear1.bias and 268"),
    "lacking": (lambda path: torch.save(changed(linear1__bias=None), path), "lacks tensor linear1.bias: "),
    "extra": (
        lambda path: torch.save(changed(lstm__bias_ih_l0=torch.zeros(8192)), path),
        "has an unexpected tensor lstm.bias_ih_l0: ",
    ),
    "escapes": (lambda path: torch.save(changed(**{"\x1b[2J\n": torch.zeros(1)}), path), r"tensor \\x1b\[2J\\n"),
    "shape": (
        lambda path: torch.save(changed(linear1__weight=torch.zeros(3, 2048)), path),
        r"linear1.weight has shape \[3, 2048\], the layout has \[2, 2048\]",
    ),
    "whole numbers": (
        lambda path: torch.save(changed(linear1__bias=torch.zeros(2, dtype=torch.int64)), path),
        "linear1.bias is no plain tensor of real numbers",
    ),
    "no data": (
        lambda path: torch.save(changed(linear1__bias=torch.zeros(2, device="meta")), path),
        "linear1.bias is no plain tensor",
    ),
    "not a number": (
        lambda path: torch.save(changed(linear1__bias=torch.full((2,), torch.nan)), path),
        "linear1.bias holds values that are no numbers",
    ),
    "not a tensor": (
        lambda path: torch.save(changed(linear1__bias=[0.0, 0.0]), path),
        "entry linear1.bias is no tensor",
    ),
    "not a name": (lambda path: torch.save({1: torch.zeros(1)}, path), "entry 1 is no tensor"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_none_gives_one_line(kind: str, tmp_path: Path) -> None:
    write, said = BAD[kind]
    path = tmp_path / "bad.pt"
    write(path)
    with pytest.raises(CheckpointError, match=said) as caught:
        checkpoint.load(path)
    line = str(caught.value)
    assert str(path) in line
    assert caught.value.remedy
    assert "\n" not in line
    assert line.isprintable()
    assert "weights_only" not in line, "PyTorch's advice to load the file unsafely is not ours"


class Trap:
    """Unpickled, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("how", ["zip", "legacy", "bare pickle"])
def test_code_in_a_file_is_never_run(how: str, tmp_path: Path) -> None:
    path, sprung = tmp_path / "trap.pt", tmp_path / "sprung"
    state = changed(linear1__bias=Trap(sprung))
    if how == "bare pickle":
        path.write_bytes(pickle.dumps({"linear1.bias": Trap(sprung)}, protocol=2))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(CheckpointError, match=r"holds Python objects besides weights \(posix.mkdir\), which are never"):
        checkpoint.load(path)
    assert not sprung.exists()
    torch.load(path, weights_only=False) if how != "bare pickle" else pickle.loads(path.read_bytes())
    assert sprung.exists(), "the trap works where a file is trusted"


def test_weights_that_fp16_cannot_hold_are_not_written(tmp_path: Path) -> None:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(model.weight, 1e6)
    meta = Meta(
        name="x", config=layout_of.config(), temperature=1, thresholds=checkpoint.UNMEASURED, data_digest="", passes=0,
        metrics={}, baseline=True, created="",
    )  # fmt: skip
    with pytest.raises(CheckpointError, match="tensor weight holds values that fp16 can't"):
        checkpoint.save(tmp_path / "x.safetensors", model, meta)
    assert not list(tmp_path.iterdir())


def test_without_a_projection_features_are_the_encoders(tmp_path: Path) -> None:
    meta = Meta(
        name="x", config=msgspec.structs.replace(layout_of.config(), feature_dim=256), temperature=1, metrics={},
        thresholds=checkpoint.UNMEASURED, data_digest="", passes=0, baseline=True, created="",
    )  # fmt: skip
    checkpoint.save(tmp_path / "x.safetensors", torch.nn.Linear(1, 1), meta)
    with pytest.raises(CheckpointError, match="without a projection feature_dim is 2048, not 256"):
        checkpoint.load(tmp_path / "x.safetensors")


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout_of, "MOST_BYTES", 50_000_000)
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb/data/0", "w") as entry:
        entry.write(bytes(2**26))
    assert path.stat().st_size < 100_000
    with pytest.raises(CheckpointError, match=r"0\.1 GB unpacked, the limit is 0\.05 GB"):
        checkpoint.load(path)


def test_a_storage_of_terabytes(tmp_path: Path) -> None:
    """The old format says how large a storage is before its bytes come: nothing is believed."""
    path = tmp_path / "claims.pt"
    torch.save({"linear1.bias": torch.zeros(2)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    assert data.count((2).to_bytes(8, "little")) >= 1
    path.write_bytes(data.replace((2).to_bytes(8, "little"), (2**42).to_bytes(8, "little")))
    with pytest.raises(CheckpointError, match="not a whole PyTorch file"):
        checkpoint.load(path)
