"""Pictures for people: the contact sheet of a window, and the heat map over its peak frame. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import cv2
import numpy as np

from wire.messages import Evidence
from worker.preprocess import Image, centre_cut, decode

COLUMNS, TILE, LINE = 4, 160, 22  # tiles in a row; pixels of a tile and of a line of text
PORTRAIT = 224
HEAT_SIDE = 320
FULL_LOGITS = 1.5  # a fall of this many logits, or the largest if that is more, has the full colour
STRENGTH = 0.72  # of the full colour over the picture
QUALITY = 85
INK, PAPER, MARK = (235, 235, 235), (24, 20, 17), (97, 92, 255)  # BGR


def contact_sheet(evidence: Evidence, camera: str, scores: Sequence[float], peak: int) -> bytes:
    """JPEG of all crops in their order, under each its score and time; the highest is framed. Above them, where the
    evidence has it, the face with what is around it."""
    rows = -(-len(evidence.frames) // COLUMNS)
    head, text = (PORTRAIT + 4, PORTRAIT + 4) if evidence.portrait else (2 * LINE, 0)
    sheet = np.full((head + rows * (TILE + LINE), COLUMNS * TILE, 3), PAPER, np.uint8)
    if evidence.portrait:
        sheet[2 : PORTRAIT + 2, 2 : PORTRAIT + 2] = centre_cut(decode(evidence.portrait.jpeg), 1.0, PORTRAIT)
    first = evidence.frames[0].captured
    when = datetime.fromtimestamp(first, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    _write(sheet, f"{camera}  {when}", text, 0)
    _write(sheet, f"p {evidence.p_fake:.2f}  threshold {evidence.threshold:.2f}  {evidence.model}", text, LINE)
    for number, (frame, score) in enumerate(zip(evidence.frames, scores, strict=True)):
        top, left = head + number // COLUMNS * (TILE + LINE), number % COLUMNS * TILE
        tile = centre_cut(decode(frame.jpeg), 1.0, TILE - 4)
        sheet[top + 2 : top + TILE - 2, left + 2 : left + TILE - 2] = tile
        _write(sheet, f"{score:.2f}  +{frame.captured - first:.2f} s", left, top + TILE - 2)
        if number == peak:
            cv2.rectangle(sheet, (left, top), (left + TILE - 1, top + TILE - 1), MARK, 2)
    return _jpeg(sheet)


def heat_map(crop: bytes, grid: Sequence[Sequence[float]], share: float, score: float) -> bytes:
    """JPEG of the crop with the falls of the logit over the part that the network sees: `share` of its side, centred.

    Only falls are drawn: what lowers the score when covered is what made it.
    """
    picture = centre_cut(decode(crop), 1.0, HEAT_SIDE)
    falls = np.clip(np.asarray(grid, np.float32), 0, None)
    full = max(FULL_LOGITS, float(falls.max()))
    side = min(HEAT_SIDE, max(1, round(share * HEAT_SIDE)))
    warm = np.clip(cv2.resize(falls / full, (side, side), interpolation=cv2.INTER_CUBIC), 0, 1)
    colours = cv2.applyColorMap((warm * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    edge = (HEAT_SIDE - side) // 2
    part = picture[edge : edge + side, edge : edge + side].astype(np.float32)
    alpha = STRENGTH * np.sqrt(warm)[:, :, None]
    shown = np.full((HEAT_SIDE + LINE, HEAT_SIDE, 3), PAPER, np.uint8)
    shown[:HEAT_SIDE] = picture
    shown[edge : edge + side, edge : edge + side] = (part * (1 - alpha) + colours * alpha).astype(np.uint8)
    cv2.rectangle(shown, (edge, edge), (edge + side - 1, edge + side - 1), INK, 1)
    _write(shown, f"p {score:.2f}  full colour: -{full:.1f} logits", 0, HEAT_SIDE)
    return _jpeg(shown)


def _write(picture: Image, text: str, left: int, top: int) -> None:
    cv2.putText(picture, text, (left + 6, top + LINE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)


def _jpeg(picture: Image) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
