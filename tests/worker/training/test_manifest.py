"""The table of clips: what it may say, and what is wrong with one that can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from wire.errors import ManifestError
from worker.training.manifest import dev_names, kind_of, read_manifest
from worker.training.splits import person_split


def write(folder: Path, text: str, name: str = "manifest.tsv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    (clip,) = read_manifest(write(tmp_path, "file\tlabel\tsplit\tsource\textra\nclips/a.mp4\tpair\ttrain\tDFL\tz\n"))
    assert (clip.path, clip.label, clip.split, clip.source) == (tmp_path / "clips/a.mp4", "pair", "train", "DFL")
    assert clip.name == "clips/a.mp4"


def test_two_columns_are_enough_and_any_case_will_do(tmp_path: Path) -> None:
    first, second = read_manifest(write(tmp_path, "\ufefffile\tlabel\n/abs/a.mp4\t REAL \n\nb.mp4\tFake\n"))
    assert (first.path, first.label, first.split, first.source, first.kind) == (
        Path("/abs/a.mp4"),
        "real",
        "",
        "",
        "other",
    )
    assert second.label == "fake"


def test_all_columns_and_commas(tmp_path: Path) -> None:
    text = "file,label,kind,person,group,shows\na.mp4,fake,Reenactment,p1,g1,a swap\n"
    (clip,) = read_manifest(write(tmp_path, text, "manifest.csv"))
    assert (clip.kind, clip.person, clip.group, clip.shows) == ("reenactment", "p1", "g1", "a swap")


def test_an_unknown_label_is_left_to_the_reader(tmp_path: Path) -> None:
    assert [clip.label for clip in read_manifest(write(tmp_path, "file\tlabel\na\tMaybe\nb\n"))] == ["maybe", ""]


@pytest.mark.parametrize(
    ("shows", "kind"),
    [
        ("live swap (DeepFaceLive DFM)", "swap"), ("swap/lip-sync", "swap"), ("lip-sync (Obama)", "reenactment"),
        ("audio-driven fully synthetic", "reenactment"), ("Talking head", "reenactment"),
        ("face reenactment", "reenactment"), ("StyleGAN face editing", "other"), ("", "other"),
    ],
)  # fmt: skip
def test_the_kind_that_a_description_speaks_of(shows: str, kind: str) -> None:
    assert kind_of(shows) == kind


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"file\tsplit\na\tdev\n", "no column 'label'"),
        (b"", "no column 'file'"),
        (b"file\tlabel\n\treal\n", "line 2 names no file"),
        (b"file\tlabel\n\xff\xfe\treal\n", "not a table of text"),
        (None, "no such file"),
    ],
)
def test_what_is_no_manifest(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "m.tsv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ManifestError, match=said) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    with pytest.raises(ManifestError):
        read_manifest(tmp_path)


def test_margins_and_boxes(tmp_path: Path) -> None:
    columns = "file\tlabel\tsplit\tsource\tmargin\tface_x\tface_y\tface_w\tface_h"
    (clip,) = read_manifest(write(tmp_path, f"{columns}\na.jpg\tfake\tdev\tDFDC\t0.8\t1\t2\t3\t4\n"))
    assert (clip.margin, clip.box, clip.group) == (0.8, (1, 2, 3, 4), "a")
    with pytest.raises(ManifestError, match="line 2"):
        read_manifest(write(tmp_path, f"{columns}\na.jpg\tfake\tdev\tDFDC\twide\t1\t2\t3\t4\n"))


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


def test_a_dev_clip_goes_by_every_name_its_own_ends_in(tmp_path: Path) -> None:
    path = tmp_path / "manifest.tsv"
    path.write_text(
        "file\tlabel\tsplit\tsource\nd/fake-4f-d7_000_003.mp4\tfake\tdev\tx\nd/real-1_zz.mp4\treal\ttrain\tx\n"
    )
    assert dev_names(path) == {"fake-4f-d7_000_003", "000_003", "003"}
