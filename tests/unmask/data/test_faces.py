"""The command end to end with Haar: what is stored, what is left out, and that a kill changes nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unmask.data.conftest import SETTINGS
from tests.unmask.data.test_pictures import tight
from tests.unmask.test_cli import assert_one_line, call
from unmask.data import faces
from wire.errors import UsageError
from worker.training.manifest import read_manifest
from worker.training.store import CROPS, ROWS, Pack

HEAD = "file\tlabel\tsplit\tsource\tkind\tperson\tgroup\tmargin"
LINES = [
    "face.mp4\treal\ttrain\tx\t\tAda\tone\t",
    "pair.mp4\tpair\ttrain\ty\tswap\t\t\t",
    "bad.mp4\tfake\ttrain\tx\t\t\t\t",
    "plain.mp4\tfake\ttrain\tx\tswap\t\t\t",
    "tight.jpg\tfake\tdev\tx\treenactment\tBob\tone\t0.8",
    "face.jpg\treal\theld\tx\t\t\t\t",
    "gone.jpg\treal\theld\tx\t\t\t\t",
    "spare.gif\treal\tspare\tx\t\t\t\t",
]
HAAR = {"UNMASK_STREAMER__DETECTOR": "haar"}


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Path:
    tight(folder / "tight.jpg")
    path = folder / "manifest.tsv"
    path.write_text("\n".join([HEAD, *LINES]) + "\n")
    return path


@pytest.fixture(scope="module")
def stored(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The store as the command makes it without interruption, with two processes."""
    out = tmp_path_factory.mktemp("stores") / "whole"
    return out, call(
        "data", "faces", manifest, "--out", out, "--frames", "6", "--processes", "2", cwd=out.parent, env=HAAR
    )


def test_what_is_stored(stored: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, result = stored
    assert result.returncode == 0, result.stderr
    pack = Pack(folder)
    assert {(row.name, row.label, row.split, row.kind, row.person, row.group) for row in pack.rows} == {
        ("face.mp4", 0, "train", "", "Ada", "one"),
        ("pair.mp4#real", 0, "train", "", "", "pair"),
        ("pair.mp4#fake", 1, "train", "swap", "", "pair"),
        ("tight.jpg", 1, "dev", "reenactment", "Bob", "one"),
        ("face.jpg", 0, "held", "", "", "face"),
    }
    assert [row.window for row in pack.rows if row.name == "face.mp4"] == [n for n in range(4) for _ in range(6)]
    real, fake = ([row.pair for row in pack.rows if row.name == f"pair.mp4#{side}"] for side in ("real", "fake"))
    assert real == fake
    assert real[:2] == ["pair.mp4:0:0", "pair.mp4:0:1"]
    assert len(set(real)) == len(real) == 12
    assert {(row.margin, row.size) for row in pack.rows} == {(1.4, 224), (0.8, 224)}
    assert all(pack.crops[i].shape == (row.size, row.size, 3) for i, row in enumerate(pack.rows))
    assert pack.groups("train")["pair"] == (list(range(24, 36)), list(range(36, 48)))


def test_what_can_not_be_stored_is_counted_and_listed(stored: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, result = stored
    assert "left out: 1 of split 'spare'" in result.stderr
    assert "unreadable: 2" in result.stdout
    assert "no face: 1" in result.stdout
    assert "gone.jpg: unreadable: No such file" in result.stdout
    lines = (folder / faces.LEFT_OUT).read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["bad.mp4", "plain.mp4", "gone.jpg"]


KILL = """
import os, sys
from pathlib import Path
from unmask.data import faces
from wire.settings import Settings
from worker.training import store
entries, share = int(sys.argv[3]), float(sys.argv[4])
def torn(self, record):
    if len(self.done) == entries:
        self._rows.write((store.HEAD.pack(store.BIN32, len(record)) + record)[: round(share * len(record))])
        self._rows.flush()
        os.kill(os.getpid(), 9)
    whole(self, record)
whole, store.Writer._append = store.Writer._append, torn
faces.run(Path(sys.argv[1]), Path(sys.argv[2]), Settings(streamer={"detector": "haar"}), 4, 6, [], None, 2)
"""


@pytest.mark.parametrize(("entries", "share"), [(1, 0.5), (4, 0.0)])
def test_killed_and_begun_again_it_is_the_same_store(
    entries: int, share: float, manifest: Path, stored: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Kill -9 when crops are written and their record is not, or half. Its processes end with it: else this hangs."""
    out = tmp_path / "store"
    command = [sys.executable, "-c", KILL, str(manifest), str(out), str(entries), str(share)]
    killed = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=Path(__file__).parents[3])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(Pack(out).entries) == entries
    assert (out / CROPS).stat().st_size > sum(row.length for row in Pack(out).rows)
    assert faces.run(manifest, out, SETTINGS, 4, 6, [], None, 1) == 0
    for name in (CROPS, ROWS, faces.LEFT_OUT):
        assert (out / name).read_bytes() == (stored[0] / name).read_bytes()


def test_a_manifest_that_grew_adds_to_the_store_and_one_that_changed_is_refused(tmp_path: Path, folder: Path) -> None:
    path, out = tmp_path / "m.tsv", tmp_path / "m.faces"
    one, other = (f"{folder / 'face.jpg'}\treal\t{split}\tx" for split in ("train", "dev"))
    head = "file\tlabel\tsplit\tsource"
    path.write_text(f"{head}\n{one}\n")
    assert faces.run(path, None, SETTINGS, 4, 6, [], None, 1) == 0
    before = (out / CROPS).read_bytes()
    path.write_text(f"{head}\n{one}\n{folder / 'short.mp4'}\treal\ttrain\tx\n")
    assert faces.run(path, None, SETTINGS, 4, 6, [], None, 1) == 0
    assert (out / CROPS).read_bytes().startswith(before)
    assert [row.name for row in Pack(out).rows[:2]] == [str(folder / "face.jpg"), str(folder / "short.mp4")]
    path.write_text(f"{head}\n{other}\n")
    with pytest.raises(UsageError, match="now says something else"):
        faces.run(path, None, SETTINGS, 4, 6, [], None, 1)
    with pytest.raises(UsageError, match="frames 6, not 8"):
        faces.run(path, None, SETTINGS, 4, 8, [], None, 1)


def test_stills_with_boxes_are_real_faces_of_their_people(tmp_path: Path) -> None:
    (tmp_path / "lfw").mkdir()
    portrait = Path(__file__).parents[3] / "unmask/demo/face.jpg"
    (tmp_path / "lfw/Some_One_0001.jpg").write_bytes(portrait.read_bytes())
    cv2.imwrite(str(tmp_path / "lfw/No_Body_0001.jpg"), np.full((100, 100, 3), 80, np.uint8))
    table = tmp_path / "stills.tsv"
    lines = [f"lfw/{name}_0001.jpg\t-\t178\t63\t90\t113" for name in ("Some_One", "No_Body")]
    table.write_text("\n".join(["file\tlicence\tface_x\tface_y\tface_w\tface_h", *lines]) + "\n")
    assert faces.run(table, tmp_path / "out", SETTINGS, 4, 16, [], None, 1) == 0
    (row,) = Pack(tmp_path / "out").rows
    assert (row.label, row.source, row.person, row.group) == (0, "lfw", "Some_One", "Some_One")
    assert Pack(tmp_path / "out").entries[1].problem == "no face"


def test_an_excluded_dev_clip_takes_its_group_along(manifest: Path, tmp_path: Path) -> None:
    clips = read_manifest(manifest)
    kept, passed = faces.select(clips, ["train", "dev"], {"tight"})
    assert [clip.name for clip in kept] == ["pair.mp4", "bad.mp4", "plain.mp4"]
    assert passed["whose group has a dev clip of the excluded manifest"] == 2
    with pytest.raises(UsageError, match="no split 'tests'"):
        faces.select(clips, ["tests"], set())
    with pytest.raises(UsageError, match="no clip of the manifest is wanted"):
        faces.select(clips, ["calibration"], set())


def test_no_manifest(tmp_path: Path) -> None:
    assert_one_line(call("data", "faces", "none.tsv", cwd=tmp_path), 2, "none.tsv", "unmask data index")
