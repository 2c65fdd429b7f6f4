"""Pictures for people."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from msgspec.structs import replace

from tests.worker.making import GOOD, window
from wire.messages import Evidence, Frame, Portrait
from worker.sheets import COLUMNS, HEAT_SIDE, LINE, PORTRAIT, TILE, contact_sheet, heat_map


def evidence(count: int = 16) -> Evidence:
    jpeg = bytes(cv2.imencode(".jpg", np.full((224, 224, 3), 128, np.uint8))[1].tobytes())
    frames = tuple(Frame(n, 1000 + n / 6, (0, 0, 1, 1), jpeg) for n in range(count))
    return Evidence(
        alert="a", window="w", model="tiny", threshold=0.8, p_fake=0.9, quality=GOOD, frame_size=(640, 480),
        frames=frames,
    )  # fmt: skip


def picture(data: bytes) -> np.ndarray:
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    return np.asarray(shown)


@pytest.mark.parametrize("count", [1, 4, 5, 16])
def test_a_contact_sheet_has_a_place_for_each(count: int) -> None:
    data = contact_sheet(evidence(count), "door", [0.5] * count, 0)
    rows = -(-count // COLUMNS)
    assert picture(data).shape == (2 * LINE + rows * (TILE + LINE), COLUMNS * TILE, 3)
    assert len(data) < 150_000


def test_the_peak_is_framed() -> None:
    shown = [picture(contact_sheet(evidence(), "door", [0.5] * 16, peak)) for peak in (0, 5)]
    difference = np.abs(shown[0].astype(int) - shown[1]).max(axis=2) > 60
    top, left = 2 * LINE + (TILE + LINE), TILE
    assert difference[2 * LINE, 0:TILE].mean() > 0.9
    assert difference[top, left : left + TILE].mean() > 0.9
    assert difference[top + TILE // 2, left + TILE // 2] == 0


def heat(grid: np.ndarray) -> np.ndarray:
    jpeg = evidence(1).frames[0].jpeg
    return picture(heat_map(jpeg, [tuple(row) for row in grid], 0.5, 0.9))


def test_only_falls_are_warm_and_only_where_the_network_looks() -> None:
    grid = np.zeros((7, 7))
    grid[0, 0], grid[6, 6] = 3.0, -3.0
    shown = heat(grid)
    edge = HEAT_SIDE // 4
    plain = heat(np.zeros((7, 7)))
    changed = np.abs(shown.astype(int) - plain).max(axis=2)
    assert changed[edge + 5 : edge + 20, edge + 5 : edge + 20].mean() > 40
    assert changed[-edge - 20 - LINE : -edge - 5 - LINE, -edge - 20 : -edge - 5].mean() < 10
    assert changed[: edge - 5].mean() < 3


def test_a_small_fall_is_not_blown_up() -> None:
    grid = np.full((7, 7), 0.02)
    plain = heat(np.zeros((7, 7)))[:HEAT_SIDE].astype(int)
    assert np.abs(heat(grid)[:HEAT_SIDE].astype(int) - plain).mean() < 12
    assert np.abs(heat(grid * 100)[:HEAT_SIDE].astype(int) - plain).mean() > 12


def test_a_crop_that_is_no_picture_is_said() -> None:
    with pytest.raises(ValueError, match="no picture"):
        heat_map(b"nothing", [[0.0]], 0.5, 0.9)
    assert window().frames


def test_the_face_with_what_is_around_it_stands_above() -> None:
    plain = evidence(4)
    jpeg = bytes(cv2.imencode(".jpg", np.full((224, 224, 3), 250, np.uint8))[1].tobytes())
    shown = picture(contact_sheet(replace(plain, portrait=Portrait(1.4, jpeg)), "door", [0.5] * 4, 0))
    assert shown.shape == (PORTRAIT + 4 + TILE + LINE, COLUMNS * TILE, 3)
    assert shown[10:PORTRAIT, 10:PORTRAIT].min() > 240
