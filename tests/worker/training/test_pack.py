"""Packing: which half of a pair is which, which frames make a run, and the whole way where YuNet's file is at hand."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from worker.preprocess import Image
from worker.training import pack
from worker.training.data import Clip, Pack
from worker.training.faces import Face

YUNET = Path(__file__).parents[4] / "shared/models/face_detection_yunet_2023mar.onnx"


def video(path: Path, count: int, fps: float = 30.0) -> Path:
    """A clip whose frame k has the grey level 2k."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, (64, 48))
    for number in range(count):
        writer.write(np.full((48, 64, 3), 2 * number, np.uint8))
    writer.release()
    return path


class Still:
    """A finder that finds the same face in every picture but dark ones."""

    def find(self, image: Image, near: object = None) -> Face | None:
        return Face((20, 10, 20, 30), (30.0, 25.0) * 5) if image.mean() > 20 else None


def test_halves_of_a_pair_leave_the_seam_out() -> None:
    image = np.zeros((10, 100, 3), np.uint8)
    image[:, 46:54] = 255  # the seam
    (left, real), (right, fake) = pack._parts(Clip(Path("x"), "pair", "train", "s"))
    assert (real, fake) == (0, 1)
    assert left(image).shape == right(image).shape == (10, 46, 3)
    assert left(image).max() == right(image).max() == 0
    ((whole, label),) = pack._parts(Clip(Path("x"), "fake", "train", "s"))
    assert (whole(image).shape, label) == (image.shape, 1)


def test_runs_are_six_frames_a_second_without_overlap(tmp_path: Path) -> None:
    clip = Clip(video(tmp_path / "a.avi", 100), "real", "train", "s")
    runs = list(pack._runs(clip, windows=2, frames=8))
    assert [len(run) for run in runs] == [8, 8]
    levels = [float(image.mean()) for run in runs for image in run]
    assert np.diff(levels) == pytest.approx(10, abs=2.5)  # every fifth of 30 frames a second


def test_a_short_clip_gives_one_short_run(tmp_path: Path) -> None:
    clip = Clip(video(tmp_path / "a.avi", 12), "real", "train", "s")
    assert [len(run) for run in pack._runs(clip, windows=4, frames=16)] == [3]


def test_frames_without_the_face_are_left_out() -> None:
    run = [np.full((48, 64, 3), level, np.uint8) for level in (100, 0, 120)]
    followed = pack._follow(run, Still())  # type: ignore[arg-type]
    assert [round(float(crop.mean())) for crop, _ in followed] == [100, 120]
    assert pack._follow([np.zeros((48, 64, 3), np.uint8)], Still()) == []  # type: ignore[arg-type]


@pytest.mark.skipif(not YUNET.exists(), reason="YuNet's file is not beside this checkout")
def test_packing_stills_end_to_end(tmp_path: Path) -> None:
    portrait = Path(__file__).parents[3] / "unmask/demo/face.jpg"
    if not portrait.exists():
        pytest.skip("the demo's portrait is not in this checkout")
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw/Some_One_0001.jpg").write_bytes(portrait.read_bytes())
    table = tmp_path / "stills.tsv"
    table.write_text("file\tlicence\tface_x\tface_y\tface_w\tface_h\nlfw/Some_One_0001.jpg\t-\t178\t63\t90\t113\n")
    assert pack.pack_stills(table, YUNET, tmp_path / "out") == 1
    made = Pack(tmp_path / "out")
    assert (made.rows[0].group, made.rows[0].label) == ("Some_One", 0)
    right_eye, left_eye = made.rows[0].points[0:2], made.rows[0].points[2:4]  # type: ignore[index]
    assert right_eye[0] < left_eye[0]
    assert made.crops.shape == (1, pack.CLIP_PX, pack.CLIP_PX, 3)
