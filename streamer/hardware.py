"""Decoding on a graphics card, where there is one that PyAV's FFmpeg can drive; else, or once it fails, on the CPU.

Frames stay on the device; only those that are analysed are brought to memory, when they are converted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import av
import av.error
from av.codec.hwaccel import HWAccel, hwdevices_available

from wire.settings import Hwaccel
from wire.telemetry import Log

# What `auto` tries, in this order. The CPU is tried last everywhere.
CANDIDATES: dict[str, tuple[str, ...]] = {
    "linux": ("cuda", "vaapi"),
    "darwin": ("videotoolbox",),
    "win32": ("cuda", "d3d11va"),
}


class Hardware:
    """The device that decodes this process's cameras. `device` is None where the CPU does; `give_up` may change it."""

    def __init__(self, device: str | None, log: Log) -> None:
        self.device = device
        self._log = log
        self._lock = threading.Lock()

    def accel(self) -> HWAccel | None:
        """What `av.open` gets."""
        device = self.device
        if device is None:
            return None
        return HWAccel(device, allow_software_fallback=True, is_hw_owned=True)

    def give_up(self, why: str) -> None:
        """The device can't do it after all: from now on the CPU decodes. Tells so once."""
        with self._lock:
            device, self.device = self.device, None
        if device is not None:
            self._log.warning("decoding on the CPU", hwaccel=device, why=why)


def find(wanted: Hwaccel, log: Log, platform: str = sys.platform) -> Hardware:
    """The device to use. A warning with the cause where `wanted` names one that can't be had; never an error."""
    if wanted == "none":
        return Hardware(None, log)
    if wanted != "auto":
        why = trouble(wanted)
        hardware = Hardware(wanted, log)
        if why:
            hardware.give_up(why)
        else:
            log.info("decoding on a device", hwaccel=wanted)
        return hardware
    reasons = {device: trouble(device) for device in CANDIDATES.get(platform, ())}
    device = next((device for device, why in reasons.items() if not why), None)
    if device:
        log.info("decoding on a device", hwaccel=device)
    else:
        log.info("decoding on the CPU: no device for it here", **{name: why for name, why in reasons.items() if why})
    return Hardware(device, log)


def trouble(device: str) -> str:
    """Why H.264 can't be decoded on such a device here; empty when it can. Tries it, which takes milliseconds."""
    built = hwdevices_available()
    if device not in built:
        return f"this PyAV was built without {device} (it has {_list(built)})"
    try:
        HWAccel(device).create(av.Codec("h264", "r"))
    except NotImplementedError:
        return f"this PyAV has no H.264 decoder for {device}"
    except (av.error.FFmpegError, OSError, RuntimeError) as error:
        return f"no such device, or no driver ({getattr(error, 'strerror', None) or type(error).__name__})"
    return ""


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
