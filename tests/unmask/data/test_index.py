"""The command: what it writes, what it refuses, and the fixed lists of the crops."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unmask.data import making
from tests.unmask.test_cli import assert_one_line, call
from unmask.data import index
from unmask.data.layouts import discover
from worker.training.manifest import read_manifest
from worker.training.splits import split_groups

LINES = [
    ("fa", "FAKE", "ra.mp4"), ("ra", "REAL", ""), ("rb", "REAL", ""), ("fb", "FAKE", "rb.mp4"),
    ("fb2", "FAKE", "rb.mp4"), ("lonely", "REAL", ""), ("orphan", "FAKE", "gone.mp4"), ("nameless", "FAKE", ""),
]  # fmt: skip


def decided(folder: Path, excluded: set[str]) -> list[tuple[str, str, str]]:
    lines, _ = index.decide(discover(folder).items, "s", excluded)
    return [(item.path.stem, item.label, item.group) for item, _ in lines]


def test_crops_are_kept_in_groups_with_both_real_first(tmp_path: Path) -> None:
    assert decided(making.dfdc_crops(tmp_path, LINES), set()) == [
        ("ra", "real", "ra"), ("fa", "fake", "ra"), ("rb", "real", "rb"), ("fb", "fake", "rb"), ("fb2", "fake", "rb"),
    ]  # fmt: skip


def test_a_dev_clip_takes_its_whole_group_out(tmp_path: Path) -> None:
    making.dfdc_crops(tmp_path, LINES)
    assert {group for _, _, group in decided(tmp_path, {"fb2"})} == {"ra"}
    assert {group for _, _, group in decided(tmp_path, {"ra"})} == {"rb"}


def test_a_crop_without_its_file_is_left_out(tmp_path: Path) -> None:
    making.dfdc_crops(tmp_path, LINES)
    (tmp_path / "faces_224/fa.jpg").unlink()
    assert {group for _, _, group in decided(tmp_path, set())} == {"rb"}


def test_crops_fall_into_the_fixed_lists(tmp_path: Path) -> None:
    groups = [f"g{n}" for n in range(1100)]
    lines = [line for group in groups for line in ((group, "REAL", ""), (f"{group}x", "FAKE", f"{group}.mp4"))]
    found, _ = index.decide(discover(making.dfdc_crops(tmp_path, lines)).items, "any seed", {"g7x"})
    expected = split_groups(set(groups) - {"g7"})
    assert {item.group: split for item, split in found} == expected
    assert len(found) == 2 * 1099


def test_the_command_writes_a_manifest_that_reads_back(tmp_path: Path) -> None:
    making.faceforensics(tmp_path / "data/ff", [(2 * n, 2 * n + 1) for n in range(10)])
    making.actors(tmp_path / "data/ff", 6)
    making.touch(tmp_path / "data", ["stray/holiday.mp4", "own/real/a\tb.mp4"])
    result = call("data", "index", "data", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "not understood: stray/ (1 files)" in result.stdout
    clips = read_manifest(tmp_path / "data/manifest.tsv")
    assert all(clip.path.exists() for clip in clips)
    (clip,) = [clip for clip in clips if clip.name.endswith("NeuralTextures/c23/videos/004_005.mp4")]
    assert (clip.label, clip.source, clip.kind, clip.person, clip.group) == (
        "fake", "FF++", "reenactment", "004,005", "004",
    )  # fmt: skip
    for source in ("FF++", "DFD"):
        people = {
            split: {p for clip in clips if (clip.source, clip.split) == (source, split) for p in clip.person.split(",")}
            for split in ("train", "dev")
        }
        assert people["train"]
        assert people["dev"]
        assert not people["train"] & people["dev"]

    assert_one_line(call("data", "index", "data", cwd=tmp_path), 2, "manifest.tsv is there already", "--force")
    before = (tmp_path / "data/manifest.tsv").read_text()
    assert call("data", "index", "data", "--force", cwd=tmp_path).returncode == 0
    assert (tmp_path / "data/manifest.tsv").read_text() == before
    printed = call("data", "index", "data", "--out", "-", cwd=tmp_path)
    assert printed.stdout.splitlines()[0] == "\t".join(index.COLUMNS)
    assert len(printed.stdout.splitlines()) == len(before.splitlines())
    assert "data/ff/" in printed.stdout
    assert "data/ff/" not in before


@pytest.mark.parametrize(
    ("names", "said"), [([], "neither videos nor pictures"), (["a/b.mp4"], "in no layout that says which are fake")]
)
def test_nothing_to_index(tmp_path: Path, names: list[str], said: str) -> None:
    making.touch(tmp_path / "data", ["notes.txt", *names])
    assert_one_line(call("data", "index", "data", cwd=tmp_path), 2, said, "FaceForensics++")


def test_no_folder(tmp_path: Path) -> None:
    assert_one_line(call("data", "index", "none", cwd=tmp_path), 2, "none is no folder")
