"""Settings of alerts and their evidence."""

from __future__ import annotations

from pydantic import Field

from wire.settings.section import Seconds, Section


class AlertSettings(Section):
    """When scores become an alert."""

    median_of: int = Field(5, ge=1, le=64, description="Window scores whose median drives the alert (K)")
    min_windows: int = Field(3, ge=1, le=64, description="Scores needed before an alert can open")
    enter: float | None = Field(None, gt=0, lt=1, description="Median that opens; unset: the checkpoint's `fake`")
    exit: float | None = Field(None, gt=0, lt=1, description="Median that closes; unset: the checkpoint's `suspect`")
    dwell_s: float = Field(1.0, ge=0, description="How long the median must stay above `enter`, or below `exit`")
    spike: float | None = Field(None, gt=0, lt=1, description="A lone window above this opens a spike; unset: never")
    cooldown_s: float = Field(10.0, ge=0, description="Least time between the opening of two alerts of a camera")
    cooldown_overall_s: float = Field(0.0, ge=0, description="The same over all cameras; 0: none")
    hold_s: float = Field(2.0, ge=0, le=60, description="How long a score waits for an earlier one still on its way")
    update_s: Seconds = Field(2.0, description="Least time between two updates of an open alert")
    end_after_s: Seconds = Field(5.0, description="An open alert ends when its track has had no window for this long")
    offline_after_s: Seconds | None = Field(30.0, description="A camera away for this long is an alert; null: never")
    frozen_after_s: Seconds | None = Field(15.0, description="So is a picture that stands still for this long")
    no_face_after_min: Seconds | None = Field(None, description="So are so many minutes without a face; unset: never")
    keep_days: float = Field(7.0, gt=0, description="How long alerts and their reviews are kept")
    evidence_days: float = Field(7.0, gt=0, description="How long their evidence is kept")
    evidence_mb: int = Field(256, ge=1, description="All evidence together, MB; the oldest gives way")
    evidence_clip: bool = Field(False, description="Keep a few seconds of video around each alert")
    clip_before_s: float = Field(4.0, ge=0, le=30, description="Video before the alert opened")
    clip_after_s: float = Field(4.0, ge=0, le=30, description="And after")
