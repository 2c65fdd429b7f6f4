"""The public API for plugins: docs/plugins.md explains it, docs/compatibility.md says what is promised."""

from wire.plugins import (
    Detector,
    FaceWindow,
    Notifier,
    OpensSource,
    Picture,
    Refused,
    TryLater,
    VideoSource,
    logit,
)

__all__ = [
    "Detector",
    "FaceWindow",
    "Notifier",
    "OpensSource",
    "Picture",
    "Refused",
    "TryLater",
    "VideoSource",
    "logit",
]
