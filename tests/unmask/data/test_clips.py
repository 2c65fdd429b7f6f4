"""Runs of crops: those that serving would make, of the main face only, and both halves of a pair alike."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streamer.faces import Detector
from streamer.scan import SEAM_PX, windows_of_file
from tests.unmask.data.conftest import SETTINGS
from unmask.data.clips import Crop, Run, halves, main_face, runs_of_clip, runs_of_pair, spread, within
from wire.errors import SourceError
from worker.model import ModelConfig
from worker.preprocess import pixels


def decoded(crop: Crop) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(crop.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8, copy=False)


def test_training_sees_what_serving_sees(folder: Path, haar: Detector) -> None:
    """A run of T crops is a window of the live path, to the byte; of what workers are sent, to the network's input."""
    whole = SETTINGS.model_copy(update={"window": SETTINGS.window.whole})
    window = next(iter(windows_of_file(folder / "face.mp4", whole)))
    (run,) = runs_of_clip(folder / "face.mp4", haar, SETTINGS, frames=16, windows=4)
    assert [crop.jpeg for crop in run] == [frame.jpeg for frame in window.frames]
    assert [crop.captured for crop in run] == [frame.captured for frame in window.frames]
    sent = next(iter(windows_of_file(folder / "face.mp4", SETTINGS)))
    assert sent.margin == 0.8
    trained, served = (
        pixels([one.jpeg for one in crops], ModelConfig(), margin).astype(int)
        for crops, margin in ((run, 1.4), (sent.frames, sent.margin))
    )
    edge = 2  # chroma is sampled across the cut
    assert np.abs(trained - served)[:, edge:-edge, edge:-edge].max() <= 1


def test_runs_are_consecutive_and_do_not_overlap(folder: Path, haar: Detector) -> None:
    runs = runs_of_clip(folder / "face.mp4", haar, SETTINGS, frames=5, windows=3)
    times = [[crop.captured for crop in run] for run in runs]
    assert [len(run) for run in runs] == [5, 5, 5]
    assert all(b - a == pytest.approx(1 / 6, abs=0.01) for run in times for a, b in itertools.pairwise(run))
    assert all(a[-1] < b[0] for a, b in itertools.pairwise(times))


def test_a_short_clip_gives_one_short_run(folder: Path, haar: Detector) -> None:
    assert [len(run) for run in runs_of_clip(folder / "short.mp4", haar, SETTINGS, 16, 4)] == [6]


def test_nobody_and_no_video(folder: Path, haar: Detector) -> None:
    assert runs_of_clip(folder / "plain.mp4", haar, SETTINGS, 16, 4) == []
    with pytest.raises(SourceError):
        runs_of_clip(folder / "bad.mp4", haar, SETTINGS, 16, 4)


def test_both_halves_of_a_pair_are_cut_alike(folder: Path, haar: Detector) -> None:
    real, fake, together = runs_of_pair(folder / "pair.mp4", haar, SETTINGS, frames=6, windows=2)
    assert together
    assert [len(run) for run in real] == [len(run) for run in fake] == [6, 6]
    for a, b in zip(itertools.chain(*real), itertools.chain(*fake), strict=True):
        assert (a.captured, a.box[0] - SEAM_PX, *a.box[1:]) == (b.captured, *b.box)
        one, other = decoded(a).astype(int), decoded(b).astype(int)
        assert np.abs(one[..., 1:] - other[..., 1:]).mean() < 6  # the same but for the blue
        assert (other[..., 0] - one[..., 0]).mean() > 30


def test_a_pair_without_a_fake_gives_reals_alone(folder: Path, haar: Detector) -> None:
    real, fake, together = runs_of_pair(folder / "half.mp4", haar, SETTINGS, frames=6, windows=2)
    assert (len(real), fake, together) == (2, [], False)


def test_halves_leave_the_seam_out() -> None:
    picture = np.zeros((10, 100, 3), np.uint8)
    picture[:, 46:54] = 255
    left, right = halves(picture)
    assert left.shape == right.shape == (10, 46, 3)
    assert left.max() == right.max() == 0


def track(name: str, begin: float, count: int, x: float, side: float = 100) -> Run:
    return [Crop(name, begin + k / 6, (x, 0, side, side), b"", None) for k in range(count)]


def test_the_main_face_is_the_one_with_most_of_the_picture() -> None:
    tracks = {"a": [track("a", 0, 20, 0, 60)], "b": [track("b", 0, 20, 300, 90)], "c": [track("c", 1, 4, 0, 200)]}
    assert [run[0].track for run in main_face(tracks, 10)] == ["b", "b"]


def test_another_track_carries_the_main_face_on_in_its_place_at_another_time() -> None:
    tracks = {
        "main": [track("main", 0, 20, 0)],
        "again": [track("again", 10, 10, 20)],
        "beside": [track("beside", 10, 10, 300)],
        "within": [track("within", 1, 10, 20)],
    }
    assert [run[0].track for run in main_face(tracks, 10)] == ["main", "main", "again"]


def test_spread() -> None:
    assert spread(range(9), 3) == [0, 4, 8]
    assert spread(range(2), 3) == [0, 1]
    assert spread(range(5), 1) == [0]


def test_points_are_where_the_crop_shows_them() -> None:
    points = ((100.0, 100.0),) * 5
    assert within(points, (80, 70, 40, 60), 1.4, 84) == (42.0, 42.0) * 5
    assert within(points, (80, 70, 40, 60), 1.4, 168) == (84.0, 84.0) * 5


def test_five_points_of_every_crop(folder: Path, yunet: Detector) -> None:
    (run,) = runs_of_clip(folder / "face.mp4", yunet, SETTINGS, frames=16, windows=1)
    for crop in run:
        assert crop.points is not None
        right_eye, left_eye, nose = crop.points[0:2], crop.points[2:4], crop.points[4:6]
        assert 40 < right_eye[0] < nose[0] < left_eye[0] < 184
        assert max(right_eye[1], left_eye[1]) < nose[1]
