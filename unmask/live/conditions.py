"""What a stream may look like on its way here: size, bitrate, frame rate and packet loss. Pure."""

from __future__ import annotations

import re

import msgspec

from wire.errors import UsageError

_FORM = re.compile(r"(\d+)p/(\d+)k/(\d+)(?:/loss(\d+(?:\.\d+)?))?")
HEIGHTS, BITRATES, RATES, LOSSES = (144, 2160), (30, 50_000), (1, 60), (0.0, 50.0)


class Condition(msgspec.Struct, frozen=True, order=True):
    """One kind of stream. `loss` is the share of network packets that never arrive, in percent."""

    height: int
    kbit_s: int
    fps: int
    loss: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a 16:9 picture, both even as H.264 wants them."""
        return round(self.height * 16 / 18) * 2, self.height // 2 * 2

    @property
    def encoding(self) -> tuple[int, int, int]:
        """All but the loss: conditions that agree in it share their encoded stream."""
        return self.height, self.kbit_s, self.fps

    @property
    def name(self) -> str:
        """As it is written on the command line: 720p/1000k/25, and /loss1 where packets get lost."""
        tail = f"/loss{self.loss:g}" if self.loss else ""
        return f"{self.height}p/{self.kbit_s}k/{self.fps}{tail}"


def parse(text: str) -> Condition:
    """The condition that `text` names. Raises UsageError."""
    match = _FORM.fullmatch(text.strip())
    remedy = "write HEIGHTp/KBITSk/FPS or HEIGHTp/KBITSk/FPS/lossPERCENT, as in 720p/1000k/25/loss1"
    if not match:
        raise UsageError(f"no stream condition: {text!r}", remedy)
    made = Condition(int(match[1]), int(match[2]), int(match[3]), float(match[4] or 0))
    values = (made.height, made.kbit_s, made.fps, made.loss)
    for value, (low, high) in zip(values, (HEIGHTS, BITRATES, RATES, LOSSES), strict=True):
        if not low <= value <= high:
            raise UsageError(f"stream condition {text!r}: {value:g} is not within {low:g}..{high:g}", remedy)
    return made


BASE = Condition(720, 1000, 25)
GRID = (
    BASE,
    Condition(1080, 2000, 30),
    Condition(480, 500, 15),
    Condition(360, 250, 10),
    Condition(360, 100, 5),
    Condition(720, 1000, 25, 1.0),
    Condition(720, 1000, 25, 5.0),
)
QUICK = (BASE, Condition(360, 100, 5))
