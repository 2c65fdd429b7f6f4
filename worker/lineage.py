"""The community's ResNeXt-50 + LSTM checkpoints: a `.pt` file of one fixed layout, read without running anything in it.

`model.0`, `model.1`, `model.4` to `model.7` are torchvision's conv1, bn1, layer1 to layer4; `lstm` is one layer of 2048
without biases; `linear1` gives (FAKE, REAL). 322 tensors, 56,538,434 parameters. docs/checkpoints.md says how such a
model was fed and what its two readouts are.
"""

from __future__ import annotations

import os
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Size, Tensor

from wire.errors import CheckpointError
from worker.model import Detector, ModelConfig, Readout
from worker.resnext import FEATURES

SUFFIXES = (".pt", ".pth")
PREFIXES = {
    "model.0.": "encoder.conv1.",
    "model.1.": "encoder.bn1.",
    **{f"model.{3 + stage}.": f"encoder.layer{stage}." for stage in (1, 2, 3, 4)},
    "lstm.": "temporal.lstm.",
    "linear1.": "temporal.linear1.",
}  # theirs: ours
WRAPPERS = ("state_dict", "model_state_dict")
MOST_BYTES = 2_000_000_000  # of a checkpoint's file; theirs have 0.23 GB
COUNTER = "num_batches_tracked"  # of no use after training: may be absent
_REMEDY = "give a state dict of the layout in docs/checkpoints.md, saved with torch.save"


def config(readout: Readout = "last", frames: int = 16) -> ModelConfig:
    """The lineage's architecture and preprocessing: ImageNet's RGB mean and std, applied to BGR as they stand."""
    return ModelConfig(
        projection=False,
        feature_dim=FEATURES,
        head="lineage",
        readout=readout,
        frames=frames,
        input_size=112,
        colour="bgr",
        crop_margin=1.0,
    )


def layout() -> dict[str, Size]:
    """Their name and shape of each tensor, in their order."""
    with torch.device("meta"):  # shapes only
        ours = Detector(config()).state_dict()
    return {_theirs(name): value.shape for name, value in ours.items()}


def read(path: Path) -> dict[str, Tensor]:
    """The file's tensors in fp32 under the names of `Detector(config())`.

    Raises CheckpointError, one line, where the file is anything but a state dict of the layout.
    """
    found = _state_dict(path, _unpickle(path))
    _check_names(path, found)
    for name, shape in layout().items():
        if name in found:
            _check_tensor(path, name, found[name], shape)
    return {
        _ours(name): value.detach().float().contiguous() for name, value in found.items() if not name.endswith(COUNTER)
    }


def _unpickle(path: Path) -> object:
    """Whatever plain data the file holds; never anything that needs code from it to be run."""
    try:
        with path.open("rb") as file:
            size = _size(file)
    except FileNotFoundError as error:
        raise CheckpointError(path, "file not found", "name a file that is there") from error
    except OSError as error:
        reason = f"can't be read ({error.strerror or error})"
        raise CheckpointError(path, reason, "check the file's permissions") from error
    if size > MOST_BYTES:
        raise CheckpointError(path, f"{size / 1e9:.1f} GB unpacked, the limit is {MOST_BYTES / 1e9:g} GB", _REMEDY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what kind of file it may be: the error says it in one line
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file fails in any way: KeyError for a text, OSError for half a zip
        raise CheckpointError(path, *_refusal(str(error))) from error


def _size(file: BinaryIO) -> int:
    """Bytes of the file, or of what is packed in it."""
    try:
        with zipfile.ZipFile(file) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        return os.fstat(file.fileno()).st_size


def _refusal(message: str) -> tuple[str, str]:
    """Cause and remedy; PyTorch's own text advises to load the file unsafely, and is never passed on."""
    if wanted := re.search(r"unsupported global:? (?:GLOBAL )?(\S+)", message, re.IGNORECASE):
        cause = f"holds Python objects besides weights ({_shown(wanted[1])}), which are never loaded"
        return cause, "save only model.state_dict(), on a machine that may run the file"
    if "TorchScript" in message:
        return "a TorchScript archive, not a state dict", _REMEDY
    return "not a whole PyTorch file of weights", _REMEDY


def _state_dict(path: Path, found: object) -> dict[str, Tensor]:
    """The tensors by their bare names: out of a wrapping dict, and without DataParallel's prefix."""
    for key in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise CheckpointError(path, f"holds a {type(found).__name__}, not a state dict", _REMEDY)
    named: dict[Any, Any] = dict(found)
    for name, value in named.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(path, f"entry {_shown(name)} is no tensor", _REMEDY)
    parallel = all(name.startswith("module.") for name in named)
    return {name.removeprefix("module.") if parallel else name: value for name, value in named.items()}


def _check_names(path: Path, found: Mapping[str, Tensor]) -> None:
    wanted = layout().keys()
    missing = sorted(name for name in wanted - found.keys() if not name.endswith(COUNTER))
    for problem, names in (("lacks", missing), ("has an unexpected", sorted(found.keys() - wanted))):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            cause = f"not the ResNeXt-50 + LSTM layout: it {problem} tensor {_shown(names[0])}{more}"
            raise CheckpointError(path, cause, _REMEDY)


def _check_tensor(path: Path, name: str, value: Tensor, shape: Size) -> None:
    if value.shape != shape:
        cause = f"tensor {name} has shape {list(value.shape)}, the layout has {list(shape)}"
        raise CheckpointError(path, cause, _REMEDY)
    plain = value.layout == torch.strided and value.device.type == "cpu"
    if not plain or not (value.is_floating_point() or name.endswith(COUNTER)):
        raise CheckpointError(path, f"tensor {name} is no plain tensor of real numbers ({value.dtype})", _REMEDY)
    if not bool(value.isfinite().all()):
        raise CheckpointError(path, f"tensor {name} holds values that are no numbers", "copy or train it again")


def _shown(name: object) -> str:
    """A name out of a foreign file, fit for a terminal."""
    return ascii(str(name))[1:-1][:80]


def _ours(name: str) -> str:
    prefix = next(prefix for prefix in PREFIXES if name.startswith(prefix))
    return PREFIXES[prefix] + name.removeprefix(prefix)


def _theirs(name: str) -> str:
    prefix, ours = next(pair for pair in PREFIXES.items() if name.startswith(pair[1]))
    return prefix + name.removeprefix(ours)
