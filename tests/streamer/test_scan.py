from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from streamer.scan import windows_of_file
from wire.errors import SourceError
from wire.settings import Settings

SETTINGS = Settings(streamer={"detector": "haar"})  # type: ignore[arg-type]


def test_a_file_gives_the_windows_that_live_video_would(face_clip: Path) -> None:
    done: list[float] = []
    began = time.monotonic()
    windows = list(windows_of_file(face_clip, SETTINGS, done.append))
    assert [w.seq for w in windows] == [0, 1, 2]  # 24 samples: at 16, 20 and 24
    assert {w.camera for w in windows} == {"face"}
    assert 0 <= windows[0].frames[0].captured < 0.1
    assert windows[-1].captured == pytest.approx(23 / 6, abs=0.1)
    for window in windows:
        assert len(window.frames) == 16
        for a, b in itertools.pairwise(window.frames):
            assert 0 < b.captured - a.captured < 2 / 6
    assert done == sorted(done)
    assert done[-1] == 1.0
    assert time.monotonic() - began < 60


def test_a_second_scan_gives_the_same(face_clip: Path) -> None:
    assert list(windows_of_file(face_clip, SETTINGS)) == list(windows_of_file(face_clip, SETTINGS))


def test_nobody_in_it(plain_clip: Path) -> None:
    assert list(windows_of_file(plain_clip, SETTINGS)) == []


def test_a_change_of_size_begins_an_epoch(resized_clip: Path) -> None:
    windows = list(windows_of_file(resized_clip, SETTINGS))
    assert {w.frame_size for w in windows} == {(640, 480), (480, 360)}
    assert len({w.epoch for w in windows}) == 2


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("notes.mp4", b"this is no video", "failed"),
        ("notes.txt", b"this is no video either\n" * 100, "no-video"),
        ("empty.mp4", b"", "failed"),
        ("none.mp4", None, "not-found"),
    ],
)
def test_what_is_no_video(tmp_path: Path, name: str, content: bytes | None, kind: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        list(windows_of_file(path, SETTINGS))
    assert caught.value.kind == kind
    assert str(path) in str(caught.value)


def test_sound_folders_and_stills_are_no_video(audio_clip: Path, tmp_path: Path) -> None:
    still = Path(__file__).parents[2] / "unmask" / "demo" / "face.jpg"
    for path, kind in ((audio_clip, "no-video"), (still, "no-video"), (tmp_path, "failed")):
        with pytest.raises(SourceError) as caught:
            list(windows_of_file(path, SETTINGS))
        assert caught.value.kind == kind
