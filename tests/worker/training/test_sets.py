"""Windows of stored faces."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from tests.worker.training.making import pack
from worker.training import sets


def test_crop_windows_are_groups_that_have_both(tmp_path: Path) -> None:
    made = pack(tmp_path, "x", 3, 3, 0.8, "held")
    made.rows = [msgspec.structs.replace(row, group="alone") if row.name == "0-0" else row for row in made.rows]
    windows = sets.crop_windows(made, "held", fakes_per_group=2)
    assert windows.labels.tolist() == [0, 1, 1] * 2
    assert windows.groups == ["1"] * 3 + ["2"] * 3


def test_clip_windows_are_runs_long_enough(tmp_path: Path) -> None:
    made = pack(tmp_path, "x", 3, 0, 1.4, "dev")
    assert sets.clip_windows(made, "dev", frames=2).crops == []
    windows = sets.clip_windows(made, "dev", frames=1)
    assert (len(windows.crops), windows.groups) == (3, ["0-0", "1-0", "2-0"])


def test_still_windows_share_their_picture(tmp_path: Path) -> None:
    made = pack(tmp_path, "x", 3, 0, 1.4, "held")
    both = sets.joined([sets.still_windows(made, [0, 1, 2], kind, 3, seed=1) for kind in ("as-is", "coarse")])
    assert both.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert both.groups == ["0", "1", "2"] * 2
    assert [len(crops) for crops in both.crops] == [3] * 6


def test_blends_need_surroundings(tmp_path: Path) -> None:
    wide, tight = pack(tmp_path / "a", "x", 3, 0, 1.4, "held"), pack(tmp_path / "b", "y", 3, 0, 0.8, "held")
    windows = sets.blended_windows([wide, tight], "coarse")
    assert set(windows.sources) == {"x"}
    assert sorted(windows.labels.tolist()) == [0, 0, 0, 1, 1, 1]


def test_moving_windows_are_pairs_of_equal_length(tmp_path: Path) -> None:
    stills = pack(tmp_path / "a", "lfw", 4, 0, 1.4)
    clips = pack(tmp_path / "b", "clips", 8, 0, 1.4)
    clips.rows = [msgspec.structs.replace(row, name="one") for row in clips.rows]  # one run of eight frames
    windows = sets.moving_windows([stills, clips], "train", 6, 8, seed=1)
    assert windows.labels.tolist() == [0, 1] * 6
    assert {len(crops) for crops in windows.crops} == {8}
    assert set(windows.sources) == {"lfw", "clips"}
    again = sets.moving_windows([stills, clips], "train", 6, 8, seed=1)
    assert np.array_equal(windows.crops[3][2], again.crops[3][2])


def test_by_clip_averages() -> None:
    windows = sets.Windows([[]] * 3, np.array([0, 1, 1]), ["a", "b", "b"], ["x", "y", "y"], [1.4] * 3)
    means, labels, names, sources = sets.by_clip(windows, np.array([0.0, 1.0, 3.0]))
    assert (means.tolist(), labels.tolist(), names, sources) == ([0.0, 2.0], [0, 1], ["a", "b"], ["x", "y"])
