"""The state of a training run on the disk: `state.pt`, plain data that PyTorch packs into a zip file."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

from wire.errors import CheckpointError
from worker import whole

STATE = "state.pt"
PARTS = {"net": dict, "ema": dict, "optimizer": dict, "step": int, "data": str, "recipe": str}
ANOTHER = "move it away to begin anew, or name another folder with --run"
State = dict[str, Any]  # with all PARTS


def write(path: Path, state: State) -> None:
    """A kill at any moment leaves the old state or the new one, whole.

    Raises CheckpointError, and leaves the old one, where the disk does not take it.
    """
    try:
        with whole.written(path) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        if (cause := _of_the_disk(error)) is None:
            raise
        raise unwritable(path, cause) from error


def read(path: Path, device: torch.device) -> State:
    """What `write` wrote. Raises CheckpointError for a file that is damaged or none of ours, and leaves it as it is."""
    try:
        with path.open("rb") as file:
            state = _unpacked(path, file, device)
    except OSError as error:
        reason = f"can't be read ({error.strerror or error})"
        raise CheckpointError(path, reason, "check the file's permissions") from error
    if not isinstance(state, dict) or any(not isinstance(state.get(name), kind) for name, kind in PARTS.items()):
        raise damaged(path)
    shapes = [{name: getattr(value, "shape", None) for name, value in state[part].items()} for part in ("net", "ema")]
    if shapes[0] != shapes[1]:
        raise damaged(path)
    return state


def damaged(path: Path) -> CheckpointError:
    """What is there was not written by a run, or not as it stands."""
    return CheckpointError(path, "no whole state of a training run", ANOTHER)


def unwritable(path: Path, error: OSError) -> CheckpointError:
    """The disk does not take a file of the run."""
    remedy = "make room there, then give the same command: it goes on from the state before"
    return CheckpointError(path, f"can't be written ({error.strerror or error})", remedy)


def _unpacked(path: Path, file: BinaryIO, device: torch.device) -> object:
    try:
        with zipfile.ZipFile(file) as archive:
            if archive.testzip() is not None:  # PyTorch itself looks at no sum
                raise damaged(path)
        file.seek(0)
        return torch.load(file, map_location=device, weights_only=True)
    except (CheckpointError, OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a foreign file fails in any way
        raise damaged(path) from error


def _of_the_disk(error: BaseException | None) -> OSError | None:
    """The system's error behind one of PyTorch's."""
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    return error
