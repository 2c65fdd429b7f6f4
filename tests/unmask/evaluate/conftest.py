"""A tiny checkpoint for the fast tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.making import tiny_checkpoint


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint: windows of four frames, everything it is shown counts as fake."""
    return tiny_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors")
