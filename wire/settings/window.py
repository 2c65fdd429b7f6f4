"""Settings of windows: what streamers cut and workers score."""

from __future__ import annotations

from pydantic import Field

from wire.settings.section import Section


class WindowSettings(Section):
    """Windows of face crops; the checkpoint must have been made for `frames`."""

    frames: int = Field(16, ge=2, le=64, description="Crops in a window (T)")
    stride: int = Field(4, ge=1, le=64, description="New crops between two windows of a track (S)")
    crop_margin: float = Field(1.4, ge=1.0, le=3.0, description="Crop side over the face box's longer side")
    crop_size: int = Field(224, ge=64, le=512, description="Crop side, pixels")
    view_margin: float = Field(
        0.8, ge=0.1, le=3.0, description="The middle of a crop that workers are sent, over the face box's longer side"
    )
    jpeg_quality: int = Field(95, ge=50, le=100, description="JPEG quality of the crops")

    @property
    def seen_margin(self) -> float:
        """Side of what a window's frames show, over the face box's longer side."""
        return min(self.view_margin, self.crop_margin)

    @property
    def whole(self) -> WindowSettings:
        """The same with frames that show their crops whole: for files that are measured or trained on."""
        return self.model_copy(update={"view_margin": self.crop_margin})
