"""Windows, scores and a tiny checkpoint for the worker's tests; plumbing, not detection."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from wire.messages import Frame, Quality, Score, Verdict, Window
from wire.settings import Settings
from worker.level import Rules

FRAMES = 4
PATIENT = {"max_age_s": 600, "target_age_s": 600}  # a busy machine makes neither stale nor shed windows
GOOD = Quality(face_px=120, sharpness=200, brightness=120, yaw=0.0)
RULES = Rules(
    enter=0.8, exit=0.5, spike=None, median_of=5, min_windows=3, dwell_s=1.0, cooldown_s=10,
    cooldown_overall_s=0, hold_s=2, update_s=2, end_after_s=5,
)  # fmt: skip


@cache
def picture(seed: int = 0, side: int = 48) -> bytes:
    """A JPEG of noise."""
    noise = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", noise)[1])


def window(
    seq: int = 0, camera: str = "door", track: str = "1-0", captured: float | None = None, **changed: Any
) -> Window:
    """Window number `seq` of a track; neighbours overlap by half, as the frames' indices say."""
    newest = time.time() if captured is None else captured
    first = seq * FRAMES // 2
    frames = tuple(
        Frame(first + i, newest - 0.1 * (FRAMES - 1 - i), (10.0, 20.0, 120.0, 120.0), picture(first + i))
        for i in range(FRAMES)
    )
    fields: dict[str, Any] = {
        "camera": camera, "track": track, "epoch": 1, "seq": seq, "frame_size": (640, 480), "quality": GOOD,
        "enqueued": newest, "frames": frames,
    }  # fmt: skip
    return Window(**{**fields, **changed})


def score(
    seq: int,
    p_fake: float,
    captured: float | None = None,
    verdict: Verdict | None = None,
    camera: str = "door",
    track: str = "1-0",
) -> Score:
    """A score; a window a second unless `captured` says otherwise."""
    at = 1000.0 + seq if captured is None else captured
    said: Verdict = verdict or ("fake" if p_fake >= 0.8 else "suspect" if p_fake >= 0.5 else "clean")
    return Score(
        window=f"{camera}/{track}/{seq}", camera=camera, track=track, epoch=1, seq=seq, logit=0.0, p_fake=p_fake,
        verdict=said, quality=GOOD, model="tiny", box=(0, 0, 1, 1), frame_size=(640, 480), started=at - 1, captured=at,
        enqueued=at, dequeued=at, scored=at,
    )  # fmt: skip


def tiny_checkpoint(path: Path, seed: int = 0) -> Path:
    """A real checkpoint of a tiny random model; everything it is shown counts as fake."""
    import torch

    from worker import checkpoint
    from worker.checkpoint import Meta, Threshold, Thresholds
    from worker.model import Detector, ModelConfig

    torch.manual_seed(seed)
    config = ModelConfig(
        layers=(1, 1, 1, 1),
        groups=4,
        width_per_group=4,
        feature_dim=16,
        head="gru",
        head_dim=8,
        frames=FRAMES,
        input_size=32,
    )
    meta = Meta(
        name="tiny", config=config, temperature=1.0, data_digest="", passes=0, metrics={}, baseline=True,
        thresholds=Thresholds(Threshold(0.01, 0.5), Threshold(0.02, 0.5)), created="2026-01-01T00:00:00Z",
    )  # fmt: skip
    checkpoint.save(path, Detector(config), meta)
    return path


def settings(
    checkpoint: Path, url: str | None = None, worker: dict[str, Any] | None = None, **sections: Any
) -> Settings:
    """Settings for the tiny checkpoint: one thread, patient where a test has no clock of its own."""
    mine: dict[str, Any] = {"checkpoint": checkpoint, "device": "torch-cpu", "threads": 1, "batch": 8, **PATIENT}
    return Settings(
        redis={"url": url}, window={"frames": FRAMES}, worker={**mine, **(worker or {})}, **sections
    )  # fmt: skip
