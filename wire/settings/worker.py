"""Settings of a worker: the network, what it judges, a detector beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from wire.messages import EnsembleRule
from wire.settings.section import Option, PluginName, Seconds, Section


class QualitySettings(Section):
    """Below these a verdict would be a guess; it is `unsure` instead."""

    min_face_px: float = Field(48.0, ge=0, description="Longer side of the face box in the camera's frame")
    min_sharpness: float = Field(15.0, ge=0, description="Variance of the Laplacian of the grey crop at 112 px")
    min_brightness: float = Field(30.0, ge=0, le=255, description="Mean grey value of the crop")
    max_brightness: float = Field(235.0, ge=0, le=255, description="Mean grey value of the crop")
    max_yaw: float = Field(0.6, gt=0, description="Nose offset over eye distance; 0 faces the camera")


class DetectorSettings(Section):
    """A detector of your own, beside ours or instead; docs/plugins.md explains it."""

    plugin: PluginName | None = Field(None, description="Name of the installed plugin; unset: none")
    rule: EnsembleRule = Field(
        "mean", description="How its log-odds and ours become one score; instead: ours is not asked"
    )
    weight: float = Field(0.5, gt=0, lt=1, description="Its share, where the rule is `weighted`")
    temperature: float = Field(1.0, gt=0, description="What its log-odds are divided by before")
    suspect: float | None = Field(None, gt=0, lt=1, description="Score of a suspect face; unset: the checkpoint's")
    fake: float | None = Field(None, gt=0, lt=1, description="And of a fake one")
    timeout_s: float = Field(2.0, gt=0, le=10, description="For one batch; a detector that takes longer is restarted")
    options: dict[str, Option] = Field({}, description="Options of the plugin; ${NAME} is taken from the environment")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.suspect is not None and self.fake is not None and self.suspect > self.fake:
            raise ValueError("suspect is above fake")
        return self


class WorkerSettings(Section):
    """Windows in, scores and alerts out."""

    name: str = Field("", description="Consumer name; empty: host name and slot or process id")
    checkpoint: Path | None = Field(None, description="Model file; unset: the one that comes with Unmask")
    device: Literal["auto", "cpu", "cuda", "torch-cpu"] = Field(
        "auto", description="auto: CUDA where there is one, else cpu, which is OpenVINO; torch-cpu: plain fp32"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0: one per core")
    batch: int = Field(16, ge=1, le=256, description="Windows scored together at most")
    deadline_ms: float = Field(40.0, ge=0, le=5000, description="Longest wait for a batch to fill behind another")
    max_age_s: Seconds = Field(10.0, description="Older windows are acknowledged as stale, unscored")
    target_age_s: Seconds = Field(1.0, description="Under overload, older windows of a camera beyond its share are too")
    reclaim_idle_s: Seconds = Field(5.0, description="Windows of a silent worker are taken over after this")
    max_deliveries: int = Field(3, ge=1, description="Then a window that can't be scored goes to `dead`")
    feature_ttl_s: Seconds = Field(30.0, description="How long a frame's features are kept for overlapping windows")
    quality: QualitySettings = QualitySettings()
    detector: DetectorSettings = DetectorSettings()
