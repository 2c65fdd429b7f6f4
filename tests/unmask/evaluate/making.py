"""Videos as the serving path would describe them; plumbing, not detection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.worker.making import picture, score
from unmask.evaluate.items import Item
from unmask.evaluate.videos import Video
from wire.messages import Score, Verdict
from worker.calibration import probability


def item(file: str = "a.mp4", label: int = 0, source: str = "s", part: str = "", **changed: Any) -> Item:
    fields: dict[str, Any] = {"kind": "swap" if label else "", "group": file}
    fields |= {"path": Path(file), "file": file, "part": part, "label": label, "source": source}
    return Item(**{**fields, **changed})


def scored(logit: float, verdict: Verdict = "clean", track: str = "1-0", seq: int = 0) -> Score:
    reason = "blurred (sharpness 3, needs 15)" if verdict == "unsure" else ""
    return replace(score(seq, probability(logit, 1.0), verdict=verdict, track=track), logit=logit, reason=reason)


def video(of: Item, logit: float | None, verdict: Verdict = "clean", features: float = 0.0) -> Video:
    """A video of one face and two windows; without a logit, of no face."""
    if logit is None:
        return Video(item=of)
    return Video(
        item=of,
        scores=[scored(logit, verdict, seq=seq) for seq in (0, 1)],
        frames=[logit - 0.1, logit + 0.1],
        shortcuts=[features, -features, 0.0, 0.1, 0.2],
        score=logit,
        p_fake=probability(logit, 1.0),
        verdict=verdict,
        strip=[picture(0), picture(1)],
    )
