"""Settings of a streamer, and of the sources that plugins open."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from wire.settings.section import Option, Scheme, Seconds, Section

Hwaccel = Literal["auto", "none", "cuda", "vaapi", "qsv", "vdpau", "videotoolbox", "d3d11va"]


class SourceSettings(Section):
    """A source of your own, by its scheme; docs/plugins.md explains it."""

    options: dict[str, Option] = Field({}, description="Options of the plugin; ${NAME} is taken from the environment")


class StreamerSettings(Section):
    """Cameras in, windows out."""

    name: str = Field("", description="Identity for leases; empty: host name and process id")
    detector: Literal["auto", "yunet", "haar"] = Field("auto", description="auto: YuNet, else the Haar cascade")
    detect_width: int = Field(640, ge=160, le=1920, description="Width of the picture that is searched for faces")
    min_face_px: float = Field(32.0, ge=8, description="Smaller faces are not tracked")
    hwaccel: Hwaccel = Field("auto", description="Device that decodes; auto: one that works, else the CPU")
    max_pixels: int = Field(9_000_000, ge=1, le=2**31 - 1, description="Larger pictures are refused: 4K passes, 8K not")
    max_fps: float = Field(120.0, gt=0, description="A camera that sends more frames a second is refused")
    memory_mb: int | None = Field(
        None, ge=0, description="Most memory of the process, MB; unset: by the number of cameras; 0: no limit"
    )
    cores: int | None = Field(None, ge=1, description="Most cores that the process takes, on Linux; unset: all")
    max_faces: int = Field(8, ge=1, le=64, description="Faces followed at once per camera, the largest first")
    connect_timeout_s: Seconds = Field(5.0, description="Until a camera that does not answer counts as timed out")
    read_timeout_s: Seconds = Field(2.5, description="Socket silence; a stream is reopened after twice this")
    frozen_after_s: Seconds = Field(3.0, description="Age of the newest frame at which the camera counts as frozen")
    backoff_s: tuple[Seconds, ...] = Field((0.5, 1, 2, 5, 10), min_length=1, description="Waits between reconnects")
    queue_max_age_s: Seconds = Field(30.0, description="Older windows are dropped from the queue, and counted")
    queue_max_mb: int = Field(256, ge=1, description="So are the oldest beyond this, of those no worker has taken yet")
    preview_fps: float = Field(1.0, ge=0, le=10, description="Preview pictures a second; 0: none")
    lease_s: Seconds = Field(10.0, description="A streamer that is silent for this long loses its cameras")
    sources: dict[Scheme, SourceSettings] = Field({}, description="Schemes that installed plugins open, as `ndi: {}`")
