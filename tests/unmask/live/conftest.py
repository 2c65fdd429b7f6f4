"""Two self-made clips, an untouched face and a manipulated one, and a manifest that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import SHARED
from unmask.demo import scene
from unmask.live.schedule import Show
from wire.settings import Settings


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder: manifest.tsv, and four seconds of each clip."""
    folder = tmp_path_factory.mktemp("live")
    lines = ["file\tlabel\tsplit\tsource"]
    for name in ("real", "fake"):
        scene.render(folder / f"{name}.mp4", manipulated=name == "fake", seconds=4.0)
        lines.append(f"{name}.mp4\t{name}\tdev\tself-made")
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The defaults, with YuNet where the team's folder has it; else whatever detector is at hand."""
    return Settings(models=SHARED / "models") if SHARED.is_dir() else Settings()


@pytest.fixture
def real(clips: Path) -> Show:
    """The untouched face."""
    return Show(clips / "real.mp4", False, "self-made")


@pytest.fixture
def fake(clips: Path) -> Show:
    """The manipulated one."""
    return Show(clips / "fake.mp4", True, "self-made")
