"""The learning curve's sets: each has a figure of its own, and none takes the place of another."""

from __future__ import annotations

from pathlib import Path

from tests.worker.test_model import tiny
from tests.worker.training.making import pack
from worker.training.quick import Quick


def test_two_sets_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Stores of one source, one called as the blends are, and faces of two margins: none replaces another."""
    groups = [pack(tmp_path / name, name[0:-1], size, 1, 0.8, "calibration") for name, size in (("x1", 4), ("x2", 3))]
    subtle = pack(tmp_path / "z", "subtle", 2, 1, 0.8, "calibration")
    faces = [pack(tmp_path / f"{margin}", "faces", 3, 0, margin, "held") for margin in (0.8, 1.4)]
    quick = Quick([*groups, subtle, *faces])
    sizes = {name: sum(len(part.labels) for part in parts) for name, parts in quick._sets.items()}
    assert sizes == {"auc_subtle": 12, "auc_coarse": 12, "auc_x": 8, "auc_x-2": 6, "auc_subtle-2": 4}
    figures = quick.figures(tiny())
    assert figures.keys() == sizes.keys()
    assert all(0 <= value <= 1 for value in figures.values())


def test_without_faces_there_are_no_blends(tmp_path: Path) -> None:
    assert set(Quick([pack(tmp_path, "x", 4, 1, 0.8, "calibration")]).figures(tiny())) == {"auc_x"}
