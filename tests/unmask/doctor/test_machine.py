from __future__ import annotations

import pytest

from unmask.doctor import machine
from wire.settings import CameraSettings


def cameras(count: int, fps: float = 6.0) -> dict[str, CameraSettings]:
    return {f"c{number}": CameraSettings(url="clip.mp4", analysis_fps=fps) for number in range(count)}


@pytest.mark.parametrize(
    ("allowed", "cpu_max", "cores"), [(8, "", 8), (8, "max 100000\n", 8), (8, "150000 100000\n", 1.5)]
)
def test_a_containers_quota_counts(allowed: int, cpu_max: str, cores: float) -> None:
    assert machine.cores(allowed, cpu_max) == cores


def test_capacity_is_what_was_measured() -> None:
    """docs/performance.md: two cores carried ten cameras with scores in time, twelve late."""
    assert machine.capacity(cameras(10), 2).state == "ok"
    found = machine.capacity(cameras(12), 2)
    assert (found.state, found.facts["cameras_most"]) == ("warning", 10)
    assert "lower analysis_fps" in found.remedy
    assert machine.capacity(cameras(10, fps=30), 2).state == "warning"
    assert machine.capacity({}, 0.1).facts["cameras_most"] == 0


def test_the_processors_flags_are_read_as_words() -> None:
    found = machine.processor("model name : x\nflags\t\t: fpu avx2 amx_bf16_other avx512f\n")
    assert found.facts["flags"] == ["avx2", "avx512f"]
    assert found.facts["openvino_precision"] in ("bf16", "f32")


def test_a_device_that_is_asked_for_and_not_there_is_told() -> None:
    assert machine.decoding("auto").state == "ok"
    found = machine.decoding("d3d11va")  # Windows only
    assert (found.state, "the CPU decodes" in found.details) == ("warning", True)
