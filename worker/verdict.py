"""From a window's probability and picture quality to what is said about it."""

from __future__ import annotations

from wire.messages import Quality, Verdict
from wire.settings import QualitySettings


def verdict(p_fake: float, suspect: float, fake: float) -> Verdict:
    """What the calibrated probability says against the checkpoint's two thresholds; quality left aside."""
    if p_fake >= fake:
        return "fake"
    return "suspect" if p_fake >= suspect else "clean"


def doubt(quality: Quality, limits: QualitySettings, frames: int, wanted: int) -> str:
    """Why a verdict on this picture would be a guess, in words, or "" where it would not. Not-a-number is a doubt."""
    if frames < wanted:
        return f"only {frames} of {wanted} frames"
    if not quality.face_px >= limits.min_face_px:
        return f"face too small ({quality.face_px:.0f} px, needs {limits.min_face_px:.0f})"
    if not quality.sharpness >= limits.min_sharpness:
        return f"blurred (sharpness {quality.sharpness:.0f}, needs {limits.min_sharpness:.0f})"
    if not quality.brightness >= limits.min_brightness:
        return f"too dark (brightness {quality.brightness:.0f}, needs {limits.min_brightness:.0f})"
    if not quality.brightness <= limits.max_brightness:
        return f"too bright (brightness {quality.brightness:.0f}, at most {limits.max_brightness:.0f})"
    if quality.yaw is not None and not abs(quality.yaw) <= limits.max_yaw:
        return f"turned away (yaw {quality.yaw:.2f}, at most {limits.max_yaw:.2f})"
    return ""
