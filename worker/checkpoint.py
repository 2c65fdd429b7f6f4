"""One safetensors file that holds the weights, in fp16, and everything serving needs to know about them.

The worker sets nothing itself: architecture, preprocessing, temperature and thresholds all come from the metadata. A
`.pt` file of the lineage's layout (worker/lineage.py) is taken as well; what its metadata says is decided here.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from wire.errors import CheckpointError
from worker import lineage, whole
from worker.model import Detector, ModelConfig, Readout

FORMAT = 1
KEY = "unmask"
DEFAULT = Path(__file__).parent / "checkpoints" / "default.safetensors"
_GET_ANOTHER = "restore the file from the repository, or name another with worker.checkpoint"
MOST_METADATA = 1_000_000
NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"  # it goes into Redis keys and onto the page
Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Measured(msgspec.Struct, frozen=True):
    """A figure measured on data the model never saw, with its 95 % bootstrap interval."""

    value: float
    lo: float
    hi: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.lo:.2f}-{self.hi:.2f})"


class Threshold(msgspec.Struct, frozen=True):
    """A window whose calibrated p_fake is at least `p` gets the verdict; `false_alarm` of real windows did."""

    p: Probability
    false_alarm: Probability | None  # None: nobody measured it


class Thresholds(msgspec.Struct, frozen=True):
    """Where a window turns `suspect`, and where `fake`."""

    suspect: Threshold
    fake: Threshold

    @property
    def measured(self) -> bool:
        """Whether the false-alarm rates are known."""
        return self.suspect.false_alarm is not None and self.fake.false_alarm is not None


class Typical(msgspec.Struct, frozen=True):
    """The logits of the real windows the thresholds were set on: their median and robust standard deviation."""

    median: float
    spread: float


UNMEASURED = Thresholds(suspect=Threshold(0.5, None), fake=Threshold(0.9, None))
"""The lineage's: its own code says FAKE from .5 on, .9 is a convention, and no false-alarm rate is known of either."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint says about itself. p_fake of a window is sigmoid(logit / temperature)."""

    name: Annotated[str, msgspec.Meta(pattern=f"^{NAME}$")]
    config: ModelConfig
    temperature: Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)]
    thresholds: Thresholds
    data_digest: str  # of the rows trained on; empty: unknown
    passes: int  # images seen in training; 0: unknown
    metrics: dict[str, Measured]
    baseline: bool
    created: str  # ISO 8601, UTC
    real: Typical | None = None  # None: nobody measured it
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
    """Writes model and meta to `path`, whole or not at all; returns the meta with the weights' digest in it.

    Raises CheckpointError where a weight is no number in fp16, and where the disk does not take it.
    """
    tensors = _stored(model.state_dict())
    for name, value in tensors.items():
        if not bool(value.isfinite().all()):
            raise CheckpointError(path, f"tensor {name} holds values that fp16 can't", "nothing was written")
    stamped = msgspec.structs.replace(meta, weights_sha256=weights_digest(tensors))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole.written(path) as file:
            file.write(serialise(tensors, metadata={KEY: msgspec.json.encode(stamped).decode()}))
    except OSError as error:
        reason = f"can't be written ({error.strerror or error})"
        raise CheckpointError(path, reason, "make room there, or name another file") from error
    return stamped


def _stored(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is written of a state dict."""
    return {
        name: (value.half() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
        if not name.endswith(lineage.COUNTER)
    }


def load(path: Path = DEFAULT, device: str | torch.device = "cpu") -> Checkpoint:
    """The model and meta in `path`, a `.pt` file of the lineage's included.

    Raises CheckpointError, one line with cause and remedy, for any unfit file.
    """
    if path.suffix.lower() in lineage.SUFFIXES:
        return adopt(path, device=device)
    return _built(path, *_read(path), device)


def describe(path: Path = DEFAULT) -> Meta:
    """What the checkpoint in `path` says about itself; weights of a safetensors file stay unread. Raises as `load`."""
    return adopt(path).meta if path.suffix.lower() in lineage.SUFFIXES else _read(path, weights=False)[1]


def adopt(
    path: Path, readout: Readout = "last", frames: int = 16, name: str = "", device: str | torch.device = "cpu"
) -> Checkpoint:
    """A `.pt` file of the lineage's layout, in fp32; its model id is the one it has once it is converted.

    Raises CheckpointError as `load` does.
    """
    tensors = lineage.read(path)
    meta = Meta(
        name=name or f"lineage-baseline-{readout}",
        config=lineage.config(readout, frames),
        temperature=1.0,
        thresholds=UNMEASURED,
        data_digest="",
        passes=0,
        metrics={},
        baseline=True,
        created=datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds"),
        weights_sha256=weights_digest(_stored(tensors)),
    )
    return _built(path, tensors, meta, device)


def _built(path: Path, tensors: dict[str, Tensor], meta: Meta, device: str | torch.device) -> Checkpoint:
    try:
        with torch.device("meta"):  # shapes alone: the file gives the values
            model = Detector(meta.config)
    except (RuntimeError, ValueError, TypeError) as error:
        raise CheckpointError(path, f"no model can be built from its configuration ({error})", _GET_ANOTHER) from error
    whole = model.state_dict()
    expected = {name: value.shape for name, value in whole.items() if not name.endswith(lineage.COUNTER)}
    for name in sorted(expected.keys() ^ tensors.keys()):
        problem = "lacks" if name in expected else "has an unexpected"
        raise CheckpointError(path, f"{problem} tensor {name}: weights and configuration differ", _GET_ANOTHER)
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            problem = f"tensor {name} has shape {list(tensors[name].shape)}, its configuration needs {list(shape)}"
            raise CheckpointError(path, problem, _GET_ANOTHER)
    counters = {
        name: torch.zeros(whole[name].shape, dtype=whole[name].dtype) for name in whole.keys() - expected.keys()
    }
    model.load_state_dict(counters | {name: value.float() for name, value in tensors.items()}, assign=True)
    return Checkpoint(model.to(device).eval(), meta)


def _read(path: Path, weights: bool = True) -> tuple[dict[str, Tensor], Meta]:
    if not path.is_file():
        raise CheckpointError(path, "file not found", _GET_ANOTHER)
    if (size := path.stat().st_size) > lineage.MOST_BYTES:
        raise CheckpointError(path, f"{size / 1e9:.1f} GB, the limit is {lineage.MOST_BYTES / 1e9:g} GB", _GET_ANOTHER)
    try:
        with safe_open(path, framework="pt") as file:
            described = (file.metadata() or {}).get(KEY)
            names = file.keys() if weights else ()
            tensors = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise CheckpointError(path, f"not a readable safetensors file ({error})", _GET_ANOTHER) from error
    except OSError as error:
        reason = f"can't be read ({error.strerror or error})"
        raise CheckpointError(path, reason, "check the file's permissions") from error
    if described is None:
        raise CheckpointError(
            path,
            f"safetensors file without '{KEY}' metadata",
            "name a file made by 'python -m worker.training export' or 'unmask convert'",
        )
    return tensors, _meta(path, described)


def _meta(path: Path, described: str) -> Meta:
    if len(described) > MOST_METADATA:
        raise CheckpointError(path, f"{len(described) / 1e6:.1f} MB of metadata, the limit is 1 MB", _GET_ANOTHER)
    try:
        version = msgspec.json.decode(described.encode(), type=_Version).format
        if version != FORMAT:
            raise CheckpointError(
                path, f"format {version}, this build reads {FORMAT}", "use the checkpoint of this version of Unmask"
            )
        return msgspec.json.decode(described.encode(), type=Meta)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CheckpointError(path, f"unreadable metadata ({error})", _GET_ANOTHER) from error


class _Version(msgspec.Struct):
    format: int
