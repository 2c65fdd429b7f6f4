"""One safetensors file that holds the weights, in fp16, and everything serving needs to know about them.

The worker sets nothing itself: architecture, preprocessing, temperature and thresholds all come from the metadata.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from wire.errors import CheckpointError
from worker.model import Detector, ModelConfig

FORMAT = 1
KEY = "unmask"
DEFAULT = Path(__file__).parent / "checkpoints" / "default.safetensors"
_GET_ANOTHER = "restore the file from the repository, or name another with worker.checkpoint"


class Measured(msgspec.Struct, frozen=True):
    """A figure measured on data the model never saw, with its 95 % bootstrap interval."""

    value: float
    lo: float
    hi: float


class Threshold(msgspec.Struct, frozen=True):
    """A window whose calibrated p_fake is at least `p` gets the verdict; `false_alarm` of real windows did."""

    p: float
    false_alarm: float


class Thresholds(msgspec.Struct, frozen=True):
    """Where a window turns `suspect`, and where `fake`."""

    suspect: Threshold
    fake: Threshold


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint says about itself. p_fake of a window is sigmoid(logit / temperature)."""

    name: str
    config: ModelConfig
    temperature: float
    thresholds: Thresholds
    data_digest: str  # of the rows trained on
    passes: int  # images seen in training
    metrics: dict[str, Measured]
    baseline: bool
    created: str  # ISO 8601, UTC
    weights_sha256: str = ""  # filled in by `save`
    format: int = FORMAT

    @property
    def model_id(self) -> str:
        """Name and the first 8 digits of the weights' sha256: what scores and alerts carry."""
        return f"{self.name}-{self.weights_sha256[:8]}"


class Checkpoint(NamedTuple):
    """A loaded model in fp32, in evaluation mode, and what is known about it."""

    model: Detector
    meta: Meta


def weights_digest(tensors: dict[str, Tensor]) -> str:
    """Sha256 over names, shapes and fp16 contents, whatever their order in the file."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name}{tuple(value.shape)}".encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def save(path: Path, model: nn.Module, meta: Meta) -> Meta:
    """Writes model and meta to `path`, whole or not at all; returns the meta with the weights' digest in it."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    stamped = msgspec.structs.replace(meta, weights_sha256=weights_digest(tensors))
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, partial, metadata={KEY: msgspec.json.encode(stamped).decode()})
    os.replace(partial, path)
    return stamped


def load(path: Path = DEFAULT, device: str | torch.device = "cpu") -> Checkpoint:
    """The model and meta in `path`. Raises CheckpointError, one line with cause and remedy, for any unfit file."""
    tensors, meta = _read(path)
    try:
        model = Detector(meta.config)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"no model can be built from its configuration ({error})", _GET_ANOTHER) from error
    expected = {k: v.shape for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name in sorted(expected.keys() ^ tensors.keys()):
        problem = "lacks" if name in expected else "has an unexpected"
        raise CheckpointError(path, f"{problem} tensor {name}: weights and configuration differ", _GET_ANOTHER)
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            problem = f"tensor {name} has shape {list(tensors[name].shape)}, its configuration needs {list(shape)}"
            raise CheckpointError(path, problem, _GET_ANOTHER)
    model.load_state_dict({name: value.float() for name, value in tensors.items()}, strict=False)
    return Checkpoint(model.to(device).eval(), meta)


def _read(path: Path) -> tuple[dict[str, Tensor], Meta]:
    if not path.is_file():
        raise CheckpointError(path, "file not found", _GET_ANOTHER)
    try:
        with safe_open(path, framework="pt") as file:
            described = (file.metadata() or {}).get(KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping
    except SafetensorError as error:
        raise CheckpointError(path, f"not a readable safetensors file ({error})", _GET_ANOTHER) from error
    except OSError as error:
        reason = f"can't be read ({error.strerror or error})"
        raise CheckpointError(path, reason, "check the file's permissions") from error
    if described is None:
        raise CheckpointError(
            path, f"safetensors file without '{KEY}' metadata", "name a file made by 'python -m worker.training export'"
        )
    return tensors, _meta(path, described)


def _meta(path: Path, described: str) -> Meta:
    try:
        version = msgspec.json.decode(described.encode(), type=_Version).format
        if version != FORMAT:
            raise CheckpointError(
                path, f"format {version}, this build reads {FORMAT}", "use the checkpoint of this version of Unmask"
            )
        return msgspec.json.decode(described.encode(), type=Meta)
    except msgspec.DecodeError as error:
        raise CheckpointError(path, f"unreadable metadata ({error})", _GET_ANOTHER) from error


class _Version(msgspec.Struct):
    format: int
