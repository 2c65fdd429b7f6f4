"""Settings of one camera."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from wire.settings.section import Section, from_environment


class CameraSettings(Section):
    """One camera."""

    url: str = Field(repr=False, min_length=1, description="Source; ${NAME} is taken from the environment")
    analysis_fps: float = Field(6.0, gt=0, le=30, description="Frames a second that are searched for faces")
    transport: Literal["tcp", "udp"] = Field("tcp", description="RTSP transport")
    loop: bool = Field(False, description="Play a file again and again, in real time, as if it were a camera")
    listen: Literal["loopback", "network"] | None = Field(
        None, description="rtmp://: wait at the url for a program that pushes, as OBS; network: also beyond loopback"
    )
    hosts: tuple[str, ...] = Field((), description="Other hosts that an http(s) source's playlist or redirect may name")
    ca: Path | None = Field(None, description="rtsps://, https://: authority, or the camera's own certificate, PEM")
    certificate_name: str | None = Field(None, description="Name in its certificate, where it is not the url's host")
    verify: bool = Field(True, description="false: take any certificate, also an impostor's")

    _fill_in = field_validator("url")(from_environment)
