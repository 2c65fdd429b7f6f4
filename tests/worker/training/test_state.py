"""A run's state: what is damaged is refused and left, what the disk does not take costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from wire.errors import CheckpointError
from worker.training import state
from worker.training.state import STATE

CPU = torch.device("cpu")
WHOLE: dict[str, Any] = {
    "net": {"w": torch.arange(4096.0)}, "ema": {"w": torch.ones(4096)}, "optimizer": {}, "step": 3, "data": "",
    "recipe": "{}",
}  # fmt: skip


def packed(folder: Path, **parts: object) -> bytes:
    torch.save(WHOLE | parts, folder / "other.pt")
    return (folder / "other.pt").read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder, whole: b"",
        lambda folder, whole: whole[: len(whole) // 2],
        lambda folder, whole: whole[:9000] + bytes([whole[9000] ^ 1]) + whole[9001:],  # PyTorch itself would take it
        lambda folder, whole: b"no state",
        lambda folder, whole: packed(folder, step="three"),
        lambda folder, whole: packed(folder, ema={}),
        lambda folder, whole: packed(folder, ema={"w": torch.ones(7)}),
        lambda folder, whole: packed(folder, recipe=Path("a")),  # an object, which is never made
    ],
)
def test_what_is_damaged_is_one_line_and_stays(tmp_path: Path, damage: Callable[[Path, bytes], bytes]) -> None:
    path = tmp_path / STATE
    state.write(path, WHOLE)
    path.write_bytes(found := damage(tmp_path, path.read_bytes()))
    with pytest.raises(CheckpointError, match="no whole state of a training run: move it away") as raised:
        state.read(path, CPU)
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == found


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"can't be read \(Is a directory\)"):
        state.read(tmp_path, CPU)


def test_a_full_disk_leaves_the_state_before(tmp_path: Path) -> None:
    path = tmp_path / STATE
    state.write(path, WHOLE)
    (tmp_path / f"{STATE}.partial").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"can't be written \(No space left on device\): make room") as raised:
        state.write(path, WHOLE | {"step": 4})
    assert "\n" not in str(raised.value)
    assert state.read(path, CPU)["step"] == 3
    assert list(tmp_path.iterdir()) == [path]
