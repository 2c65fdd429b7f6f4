"""A scan end to end on a self-made clip: the JSON, the plot, and that bad files harm no good ones."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import cv2
import pytest
from openvino.frontend.pytorch import ts_decoder

from tests.unmask.test_cli import call
from unmask.demo import scene
from unmask.scan import INTERRUPTED, run
from wire.settings import Settings

SECONDS = 5.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan")
    scene.render(path / "untouched.mp4", manipulated=False, seconds=SECONDS)
    scene.render(path / "swapped [hd].mp4", manipulated=True, seconds=SECONDS)
    (path / "bad.mp4").write_text("no video")
    return path


def test_scan(folder: Path) -> None:
    result = call("scan", "untouched.mp4", "bad.mp4", "swapped [hd].mp4", "--out", "results", cwd=folder)
    assert result.returncode == 1  # for bad.mp4 alone
    assert "bad.mp4" in result.stderr
    assert "swapped [hd].mp4: fake" in result.stdout
    found = {path.name: json.loads(path.read_text()) for path in (folder / "results").glob("*.json")}
    assert found.keys() == {"untouched.mp4.unmask.json", "swapped [hd].mp4.unmask.json"}
    untouched, swapped = found["untouched.mp4.unmask.json"], found["swapped [hd].mp4.unmask.json"]
    assert swapped["verdict"] == "fake", swapped
    assert untouched["verdict"] == "clean", untouched
    for scan in (untouched, swapped):
        assert len(scan["faces"]) == 1
        windows = scan["faces"][0]["windows"]
        assert len(windows) >= 3
        assert all(0 <= window["start"] < window["end"] <= SECONDS for window in windows)
        assert all(0 <= window["p_fake"] <= 1 for window in windows)
    plot = cv2.imread(str(folder / "results" / "swapped [hd].mp4.unmask.png"))
    assert plot is not None
    assert plot.std() > 5  # something is drawn


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("step", ["get_op_type", "num_of_outputs"])  # openvino: "can't be converted", and nothing
def test_ctrl_c_while_the_network_is_converted_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], step: str
) -> None:
    decoder = ts_decoder.TorchScriptPythonDecoder
    real = getattr(decoder, step)

    def pressed(self: object, *given: object) -> object:
        monkeypatch.setattr(decoder, step, real)
        os.kill(os.getpid(), signal.SIGINT)
        return real(self, *given)

    monkeypatch.setattr(decoder, step, pressed)
    assert run([folder / "untouched.mp4"], folder / "stopped", Settings()) == INTERRUPTED
    assert capfd.readouterr().err.splitlines() == ["unmask: interrupted, 0 of 1 files are done"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not (folder / "stopped").exists()
