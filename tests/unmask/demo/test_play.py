"""The demo's clips in the cache, and what its first line says."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from unmask.demo import play
from wire.errors import ServiceError


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="set XDG_CACHE_HOME to a writable folder"):
        play.prepare(tmp_path / "file" / "demo", Console(file=io.StringIO()))


def test_an_interrupted_rendering_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def render(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("unmask.demo.scene.render", render)
    with pytest.raises(KeyboardInterrupt):
        play.prepare(tmp_path, Console(file=io.StringIO()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("on_path", "called", "said"),
    [
        ("/usr/bin/unmask", ".venv/bin/unmask", "unmask"),
        (None, ".venv/bin/unmask", ".venv/bin/unmask"),
        (None, "/x/unmask/__main__.py", "/x/python -m unmask"),
    ],
)
def test_the_command_for_another_terminal_is_one_that_works(
    on_path: str | None, called: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: on_path)
    monkeypatch.setattr("sys.argv", [called])
    monkeypatch.setattr("sys.executable", "/x/python")
    play._announce(Console(), "http://127.0.0.1:8008/")
    assert f"In another terminal: {said} watch ws://127.0.0.1:8008/ws/v1 " in capsys.readouterr().out
