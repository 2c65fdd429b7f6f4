"""Indexing, the fixed split, packs, manifests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.worker.training.making import PX, pack
from worker.training.data import (
    CALIBRATION_GROUPS,
    HELD_GROUPS,
    index_dfdc,
    person_split,
    read_stills,
    split_groups,
)


def dfdc(folder: Path, lines: list[tuple[str, str, str]]) -> Path:
    """A folder laid out like the crops: (name, label, original) per file."""
    (folder / "faces_224").mkdir()
    table = ["videoname,original_width,original_height,label,original"]
    for name, label, original in lines:
        (folder / "faces_224" / f"{name}.jpg").touch()
        table.append(f"{name}.mp4,100,100,{label},{original}")
    (folder / "metadata.csv").write_text("\n".join(table) + "\n")
    return folder


LINES = [
    ("fa", "FAKE", "ra.mp4"), ("ra", "REAL", ""), ("rb", "REAL", ""), ("fb", "FAKE", "rb.mp4"),
    ("fb2", "FAKE", "rb.mp4"), ("lonely", "REAL", ""), ("orphan", "FAKE", "gone.mp4"), ("nameless", "FAKE", ""),
]  # fmt: skip


def test_index_keeps_groups_with_both_real_first(tmp_path: Path) -> None:
    rows = index_dfdc(dfdc(tmp_path, LINES), set())
    assert [(r.name, r.label, r.group) for r in rows] == [
        ("ra", 0, "ra"), ("fa", 1, "ra"), ("rb", 0, "rb"), ("fb", 1, "rb"), ("fb2", 1, "rb"),
    ]  # fmt: skip


def test_a_dev_clip_takes_its_whole_group_out(tmp_path: Path) -> None:
    folder = dfdc(tmp_path, LINES)
    assert {row.group for row in index_dfdc(folder, {"fb2"})} == {"ra"}
    assert {row.group for row in index_dfdc(folder, {"ra"})} == {"rb"}


def test_a_row_without_its_file_is_left_out(tmp_path: Path) -> None:
    folder = dfdc(tmp_path, LINES)
    (folder / "faces_224" / "fa.jpg").unlink()
    assert {row.group for row in index_dfdc(folder, set())} == {"rb"}


def test_split_is_fixed_and_of_the_announced_size() -> None:
    groups = {f"g{i}" for i in range(1500)}
    split = split_groups(groups)
    held = {group for group, part in split.items() if part == "held"}
    assert len(held) == HELD_GROUPS
    assert sum(part == "calibration" for part in split.values()) == CALIBRATION_GROUPS
    assert sorted(group for group in split if split[group] == "calibration")[:3] == ["g1004", "g1008", "g1009"]
    # one group less moves nobody from train to held but the one that takes its place
    fewer = {group for group, part in split_groups(groups - {sorted(held)[0]}).items() if part == "held"}
    assert len(held & fewer) == HELD_GROUPS - 1


def test_person_split_holds_out_one_in_ten() -> None:
    held = sum(person_split(f"person {i}") == "held" for i in range(2000))
    assert 140 < held < 260


def test_pack_groups_and_digest(tmp_path: Path) -> None:
    first = pack(tmp_path / "a", "x", groups=3, fakes=2, margin=0.8)
    assert first.crops.shape == (9, PX, PX, 3)
    assert first.groups("train")["1"] == ([3], [4, 5])
    assert first.groups("held") == {}
    assert first.where("train", 1) == [1, 2, 4, 5, 7, 8]
    assert first.digest() == pack(tmp_path / "b", "x", 3, 2, 0.8).digest()
    assert first.digest() != pack(tmp_path / "c", "x", 4, 2, 0.8).digest()
    assert np.array_equal(first.crops[0], pack(tmp_path / "d", "x", 1, 0, 0.8).crops[0])


def test_stills_table(tmp_path: Path) -> None:
    path = tmp_path / "stills.tsv"
    path.write_text("file\tlicence\tface_x\tface_y\tface_w\tface_h\na/b.jpg\tfree\t1\t2\t3\t4\n")
    assert read_stills(path) == [(tmp_path / "a/b.jpg", (1.0, 2.0, 3.0, 4.0))]
