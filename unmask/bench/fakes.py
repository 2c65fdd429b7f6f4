"""Which cameras of a made-up fleet show a fake, and the rules by which that becomes an alert."""

from __future__ import annotations

import math
import zlib

OF = 100  # one camera of so many shows a fake
SURE = 8.0  # the logit of a fake; of a real face less than nothing by as much
RULES = {"enter": 0.8, "exit": 0.6}  # of `alerts`: said, so that no checkpoint's thresholds need be known


def logit(camera: str) -> float:
    """What the network is taken to say of this camera's faces; by its name, so that all processes agree."""
    return SURE if zlib.crc32(camera.encode()) % OF == 0 else -SURE


def p_fake(camera: str) -> float:
    """The same as a probability, 0..1."""
    return 1 / (1 + math.exp(-logit(camera)))
