"""Attacks and handling on self-made clips: every condition has its row, and does what it says to the picture."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.worker.making import settings as made
from tests.worker.making import window
from unmask.demo import scene
from unmask.evaluate.command import Request, run
from unmask.evaluate.robust import handlings, middle

TABLE = "file\tlabel\tsplit\tsource\nreal.mp4\treal\tdev\tdemo\nfake.mp4\tfake\tdev\tdemo\ngone.mp4\tfake\tdev\tdemo\n"


def test_a_row_for_each_condition(tmp_path: Path, tiny: Path) -> None:
    for name, manipulated in (("real", False), ("fake", True)):
        scene.render(tmp_path / f"{name}.mp4", manipulated=manipulated, seconds=1)
    (tmp_path / "notes.mp4").write_text("no video")
    (tmp_path / "manifest.tsv").write_text(TABLE + "notes.mp4\tfake\tdev\tdemo\n")
    request = Request(data=tmp_path / "manifest.tsv", as_json=True, robust=True, cache=tmp_path / "cache")
    settings = made(tiny, streamer={"detector": "haar"})
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert run(request, settings) == 0
    found = json.loads(out.getvalue())
    assert (found["videos"], found["fake"]) == (2, 1)
    assert [one["file"] for one in found["skipped"]] == ["notes.mp4"]
    rows = {(row["condition"], row["aim"]): row for row in found["rows"]}
    assert len(rows) == len(found["rows"]) == 1 + len(handlings(0.6)) + 8
    clean = rows["as it comes", ""]
    for bound in ("FGSM 8/255", "PGD-10 8/255"):
        assert rows[bound, "evade"]["mean_p_fakes"] < clean["mean_p_fakes"]
        assert rows[bound, "evade"]["mean_p_reals"] == clean["mean_p_reals"]
        assert rows[bound, "accuse"]["mean_p_reals"] > clean["mean_p_reals"]
        assert rows[bound, "accuse"]["mean_p_fakes"] == clean["mean_p_fakes"]
    assert rows["PGD-10 8/255", "accuse"]["mean_p_reals"] >= rows["FGSM 8/255", "accuse"]["mean_p_reals"] - 0.05


@pytest.mark.parametrize("name", list(handlings(0.6)))
def test_handling_changes_the_picture_and_not_its_shape(name: str) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (96, 96, 3), np.uint8) for _ in range(4)]
    before = [image.copy() for image in images]
    made = handlings(0.6)[name](images, rng)
    assert [image.shape for image in made] == [image.shape for image in images]
    assert all(image.dtype == np.uint8 for image in made)
    assert all(np.array_equal(one, two) for one, two in zip(before, images, strict=True)), "the others see it whole"
    assert all(not np.array_equal(one, two) for one, two in zip(before, made, strict=True))


def test_what_is_covered_is_that_share_of_the_face() -> None:
    images = [np.zeros((200, 200, 3), np.uint8)] * 2
    made = handlings(0.5)["25% of the face covered"](images, np.random.default_rng(3))
    assert np.count_nonzero(made[0][..., 0]) == 50 * 50, "a quarter of 100 x 100"
    assert np.array_equal(made[0], made[1])
    rows, columns = np.nonzero(made[0][..., 0])
    assert min(rows.min(), columns.min()) >= 50
    assert max(rows.max(), columns.max()) < 150


def test_the_middle_window_of_the_longest_track() -> None:
    own = [window(seq, track="2-0") for seq in range(3)]
    other = [window(seq, track="1-0") for seq in range(2)]
    assert middle([*other, *own], 4) is own[1]
    assert middle(own, 16) is None, "none is whole"
