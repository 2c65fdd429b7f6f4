from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.scan import SEAM_PX, left_half, right_half, whole, windows_of_file, windows_of_still
from tests.support import clips
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


@pytest.fixture(scope="module")
def short_clip(folder: Path) -> Path:
    """Two seconds: 12 samples, four too few for a window."""
    return clips.write(folder / "short.mp4", clips.gliding(2))


def test_a_clip_too_short_for_a_window_gives_what_it_has(short_clip: Path) -> None:
    (window,) = windows_of_file(short_clip, SETTINGS)
    assert 10 <= len(window.frames) <= 12
    assert window.seq == 0


def test_a_half_is_analysed_alone(folder: Path) -> None:
    """Two faces side by side: the left half has one face, and nothing of the seam."""
    path = clips.write(folder / "pair.mp4", (np.hstack([one, one]) for one in itertools.islice(clips.gliding(4), 25)))
    (left,) = windows_of_file(path, SETTINGS, cut=left_half)
    (right,) = windows_of_file(path, SETTINGS, cut=right_half)
    assert left.frame_size == right.frame_size == (636, 480)
    assert left.frames[0].box[0] == pytest.approx(right.frames[0].box[0] + SEAM_PX, abs=6)
    assert len({w.track for w in windows_of_file(path, SETTINGS)}) == 2


@given(st.tuples(st.integers(1, 5000), st.integers(1, 3000)))
def test_halves_lie_within_the_frame(size: tuple[int, int]) -> None:
    for cut in (whole, left_half, right_half):
        x, y, width, height = cut(size)
        assert 0 <= x < x + width <= size[0]
        assert (y, height) == (0, size[1])
    if size[0] > 2 * SEAM_PX:
        assert right_half(size)[0] - left_half(size)[2] == 2 * SEAM_PX


def test_a_still_is_a_window_of_one_crop(tmp_path: Path) -> None:
    (window,) = windows_of_still(clips.PORTRAIT, SETTINGS)
    assert (len(window.frames), window.frame_size, window.captured) == (1, (512, 512), 0.0)
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    for name, kind in (("text.jpg", "failed"), ("empty.jpg", "failed"), ("none.jpg", "not-found")):
        with pytest.raises(SourceError) as caught:
            list(windows_of_still(tmp_path / name, SETTINGS))
        assert caught.value.kind == kind
