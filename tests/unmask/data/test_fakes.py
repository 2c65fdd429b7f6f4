"""The set of self-made fakes: three clips of each real one, encoded alike, different in the face alone."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.faces import Face
from streamer.models import FILE
from unmask.data import fakes
from wire.errors import UsageError
from wire.settings import Settings
from worker.training.manifest import read_manifest


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24").astype(int) for frame in container.decode(video=0)]


@pytest.fixture
def manifest(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "manifest.tsv"
    lines = [
        ("face.mp4", "real"),
        ("pair.mp4", "pair"),
        ("plain.mp4", "real"),
        ("bad.mp4", "real"),
        ("face.mp4", "fake"),
    ]
    rows = "".join(f"{folder / name}\t{label}\tdev\tmine\n" for name, label in lines)
    path.write_text("file\tlabel\tsplit\tsource\n" + rows)
    return path


def test_three_clips_of_each_real_one(manifest: Path, shared: Path, tmp_path: Path) -> None:
    if not (shared / "models" / FILE).is_file():
        pytest.skip(f"no ../shared/models/{FILE} here")
    settings = Settings(models=shared / "models")
    assert fakes.run(manifest, tmp_path / "out", "dev", settings, seed=7) == 0
    made = read_manifest(tmp_path / "out" / "manifest.tsv")
    assert len(made) == 6  # of the clip with a face and of the pair's real half; nobody and no video give none
    assert {clip.kind for clip in made} >= {"other", "driven"}  # the real ones are of no kind
    assert len({clip.group for clip in made}) == 2
    for group in {clip.group for clip in made}:
        real, *others = (
            pictures(clip.path) for clip in sorted(made, key=lambda c: c.label != "real") if clip.group == group
        )
        for fake in others:
            assert len(fake) == len(real)
            assert fake[0].shape == real[0].shape
            changed = np.mean([np.abs(a - b).mean(2) for a, b in zip(real, fake, strict=True)], axis=0)
            assert changed.max() > 4  # the face
            assert np.median(changed[:8]) < 2  # and not the rim: codec noise alone
    with (tmp_path / "out" / "manifest.tsv").open(newline="") as table:
        assert next(csv.reader(table, delimiter="\t")) == list(fakes.COLUMNS)


def test_no_real_clip_and_no_points(manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no real clip"):
        fakes.run(manifest, tmp_path / "out", "train", Settings(), 7)
    with pytest.raises(UsageError, match="five points"):
        fakes.run(manifest, tmp_path / "out", "dev", Settings(streamer={"detector": "haar"}), 7)  # type: ignore[arg-type]


def test_what_was_cut_out_fits_where_it_came_from() -> None:
    rng = np.random.default_rng(0)
    seen = []
    for x in (-10.0, 5.0, 40.0):  # over the left edge, inside, over the right one
        picture = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
        points = tuple((x + a, 20.0 + a) for a in range(5))
        seen.append(fakes.Seen(picture, Face((x, 10.0, 30.0, 40.0), 1.0, points)))  # type: ignore[arg-type]
    squares, points, corners = fakes.worked_on(seen)
    assert {square.shape for square in squares} == {(68, 68, 3)}
    for one, square, corner in zip(seen, squares, corners, strict=True):
        assert np.array_equal(fakes.put(one.picture, square, corner), one.picture)
    assert points[1][0] + corners[1][0] == pytest.approx(np.mean([-10.0, 5.0, 40.0]))
