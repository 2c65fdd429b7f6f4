"""What of a manifest is evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.scan import left_half, right_half, whole
from unmask.evaluate.items import items_of, of_split, select
from wire.errors import UsageError
from worker.training.manifest import Clip


def clip(name: str, label: str, source: str = "", split: str = "", **more: str) -> Clip:
    return Clip(Path(name), label, split, source, name=name, **more)


CLIPS = [
    clip("a", "real", "DFDC"), clip("b", "fake", "DFDC"), clip("c", "real", "LivePortrait"),
    clip("d", "fake", "LivePortrait"), clip("e", "pair", "DeepFaceLive"), clip("f", "fake", "ghost"),
]  # fmt: skip


def names(clips: list[Clip]) -> str:
    return "".join(one.name for one in clips)


@pytest.mark.parametrize(
    ("sources", "reals_from", "kept"),
    [
        ([], [], "abcdef"),
        (["dfdc"], [], "ab"),
        (["D*"], ["live*"], "abce"),
        ([], ["LivePortrait"], "abcef"),
        (["LivePortrait"], ["LivePortrait"], "cd"),
        (["ghost"], ["DeepFaceLive"], "f"),
    ],
)
def test_sources(sources: list[str], reals_from: list[str], kept: str) -> None:
    assert names(select(CLIPS, sources, reals_from)) == kept


def test_a_source_that_is_not_there() -> None:
    for sources, reals in ((["DFCD"], []), ([], ["DFCD"])):
        with pytest.raises(UsageError, match="choose among: DFDC, DeepFaceLive, LivePortrait, ghost"):
            select(CLIPS, sources, reals)


def test_splits() -> None:
    clips = [clip("a", "real", split="dev"), clip("b", "real", split="train"), clip("c", "real")]
    assert names(of_split(clips, "dev")) == "a"
    assert names(of_split(clips, None)) == "abc"
    assert names(of_split(CLIPS, "dev")) == "abcdef", "a manifest without splits is all of it"
    with pytest.raises(UsageError, match="name one of: dev, train"):
        of_split(clips, "test")


def test_a_pair_is_two_videos_of_one_group(tmp_path: Path) -> None:
    (tmp_path / "p.mp4").touch()
    items, skipped = items_of([Clip(tmp_path / "p.mp4", "pair", kind="swap", name="p.mp4")])
    assert skipped == []
    assert [(i.label, i.part, i.group, i.kind, i.source) for i in items] == [
        (0, "left", "p.mp4", "", "unnamed"), (1, "right", "p.mp4", "swap", "unnamed"),
    ]  # fmt: skip
    assert [i.cut for i in items] == [left_half, right_half]
    assert items[1].name == "p.mp4 (right half)"


def test_what_is_skipped_is_named(tmp_path: Path) -> None:
    (tmp_path / "ok.mp4").touch()
    items, skipped = items_of(
        [
            Clip(tmp_path / "ok.mp4", "fake", kind="swap", group="g", name="ok.mp4"),
            Clip(tmp_path / "gone.mp4", "real", name="gone.mp4"),
            Clip(tmp_path / "ok.mp4", "maybe", name="ok.mp4"),
        ]
    )
    assert [(i.file, i.label, i.group, i.cut) for i in items] == [("ok.mp4", 1, "g", whole)]
    assert [(one.file, one.reason.split(":")[0]) for one in skipped] == [
        ("gone.mp4", "no such file"), ("ok.mp4", "unknown label 'maybe'"),
    ]  # fmt: skip
