"""The table of clips: what it may say, and what is wrong with one that can't be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from wire.errors import ManifestError
from worker.training.manifest import kind_of, read_manifest


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
