"""The fixed split, manifests, tables of stills."""

from __future__ import annotations

from pathlib import Path

import pytest

from wire.errors import UsageError
from worker.training.data import (
    CALIBRATION_GROUPS,
    HELD_GROUPS,
    dev_names,
    person_split,
    read_manifest,
    split_groups,
)


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


def test_manifest_paths_are_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text("file\tlabel\tsplit\tsource\textra\nclips/a.mp4\tpair\ttrain\tDFL\tz\n")
    (clip,) = read_manifest(path)
    assert (clip.path, clip.label, clip.split, clip.source) == (tmp_path / "clips/a.mp4", "pair", "train", "DFL")
    assert (clip.name, clip.group, clip.person, clip.kind, clip.margin, clip.box) == (
        "clips/a.mp4",
        "a",
        "",
        "",
        0,
        None,
    )


def test_all_columns(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    columns = "file\tlabel\tsplit\tsource\tkind\tperson\tgroup\tmargin\tface_x\tface_y\tface_w\tface_h"
    path.write_text(f"{columns}\na.jpg\tfake\tdev\tDFDC\tswap\t001,002\t001\t0.8\t1\t2\t3\t4\n")
    (clip,) = read_manifest(path)
    assert (clip.kind, clip.person, clip.group) == ("swap", "001,002", "001")
    assert (clip.margin, clip.box) == (0.8, (1, 2, 3, 4))


def test_facts_change_with_what_is_said_of_a_clip_but_not_with_where_it_lies(tmp_path: Path) -> None:
    def facts(place: str, split: str) -> str:
        path = tmp_path / place / "manifest.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"file\tlabel\tsplit\tsource\na.mp4\treal\t{split}\tx\n")
        return read_manifest(path)[0].facts

    assert facts("here", "train") == facts("there", "train") != facts("there", "dev")


def test_stills_are_real_and_split_by_person(tmp_path: Path) -> None:
    people = [f"Some_One{chr(97 + i)}" for i in range(20)]
    lines = [f"lfw/{person}_000{n}.jpg\tfree\t1\t2\t3\t4" for person in people for n in (1, 2)]
    path = tmp_path / "stills.tsv"
    path.write_text("\n".join(["file\tlicence\tface_x\tface_y\tface_w\tface_h", *lines]))
    stills = read_manifest(path)
    assert {(clip.label, clip.source, clip.box) for clip in stills} == {("real", "lfw", (1.0, 2.0, 3.0, 4.0))}
    assert [clip.person for clip in stills[::2]] == people
    assert [clip.person for clip in stills[1::2]] == people
    assert all(clip.split == person_split(clip.person) for clip in stills)


def test_people_of_webmorph(tmp_path: Path) -> None:
    path = tmp_path / "stills.tsv"
    path.write_text("file\tface_x\tface_y\tface_w\tface_h\ns/webmorph/neutral_front-001_03.jpg\t1\t2\t3\t4\n")
    assert [clip.person for clip in read_manifest(path)] == ["001"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "unmask data index"),
        ("file\tsplit\na\tb\n", "columns file, label, split, source"),
        ("file\tlabel\tsplit\tsource\na.mp4\tmaybe\ttrain\tx\n", "'maybe' is none of real, fake, pair"),
    ],
)
def test_what_is_no_manifest(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "manifest.tsv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_manifest(path)


def test_a_dev_clip_goes_by_every_name_its_own_ends_in(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text(
        "file\tlabel\tsplit\tsource\nd/fake-4f-d7_000_003.mp4\tfake\tdev\tx\nd/real-1_zz.mp4\treal\ttrain\tx\n"
    )
    assert dev_names(path) == {"fake-4f-d7_000_003", "000_003", "003"}
