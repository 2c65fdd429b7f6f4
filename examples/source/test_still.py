from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from unmask_example_still import open_still


def test_red_stays_red_and_time_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), np.full((48, 64, 3), (0, 0, 255), np.uint8))
    source = open_still(f"still:{path}", fps=100)
    first, second = islice(source.frames(), 2)
    assert first.rgb.shape == (48, 64, 3)
    assert tuple(first.rgb[0, 0]) == (255, 0, 0)
    assert first.time is not None
    assert second.time is not None
    assert second.time - first.time >= 0.01 - 1e-6  # what is left of it in a large number
    source.close()
    assert list(source.frames()) == []


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_still(f"still:{tmp_path}/none.png")
