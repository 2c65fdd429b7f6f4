"""`unmask convert` as a shell sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lineage import Lineage
from tests.unmask.test_cli import call
from unmask import convert
from wire.errors import CheckpointError, UsageError
from worker import checkpoint


def test_it_says_what_it_wrote(lineage: tuple[Path, Lineage], tmp_path: Path) -> None:
    new = tmp_path / "new.safetensors"
    arguments = ["--readout", "mean", "--frames", "20", "--name", "lab"]
    result = call("convert", lineage[0], new.name, *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    meta = checkpoint.load(new).meta
    assert (meta.config.readout, meta.config.frames, meta.name) == ("mean", 20, "lab")
    for said in (meta.model_id, "56,538,434 parameters", "113.2 MB", "readout mean", "windows of 20 frames"):
        assert said in result.stdout
    assert new.stat().st_size < 114e6
    assert [path.name for path in tmp_path.iterdir()] == [new.name]
    new.unlink()


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "old.pt").write_text("no weights")
    with pytest.raises(CheckpointError, match="PyTorch file"):
        convert.run(tmp_path / "old.pt", tmp_path / "new.safetensors", "last", 16, "")
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.parametrize(("new", "name", "said"), [("new.pt", "", "safetensors"), ("a.safetensors", "a b/c", "--name")])
def test_what_cannot_be_asked_for(new: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        convert.run(tmp_path / "old.pt", tmp_path / new, "last", 16, name)


def test_a_place_that_cannot_be_written(lineage: tuple[Path, Lineage], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="can't be written"):
        convert.run(lineage[0], tmp_path / "file" / "new.safetensors", "last", 16, "")
