"""`unmask train` as a user runs it: a FaceForensics++ folder and stand-in ImageNet weights in, a checkpoint out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torchvision

from tests.support import clips
from tests.support.servers import end
from tests.unmask.data.conftest import side_by_side
from tests.unmask.test_cli import call
from unmask.allocator import MALLOC
from unmask.data.clips import halves
from worker import checkpoint

RECIPE = """
model: {layers: [3, 4, 6, 3], groups: 32, width_per_group: 4, head: mean, input_size: 32}
pairs: 2
warmup: 2
"""
SMALL = """
model: {layers: [1, 1, 1, 1], groups: 4, width_per_group: 4, head: mean, input_size: 32}
pairs: 2
"""
SIZE = (160, 120)


@pytest.fixture(scope="module")
def faceforensics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people and their swaps in FaceForensics++'s own folders."""
    root = tmp_path_factory.mktemp("ff")
    real = root / "original_sequences/youtube/c23/videos"
    fake = root / "manipulated_sequences/Deepfakes/c23/videos"
    real.mkdir(parents=True)
    fake.mkdir(parents=True)
    for number in range(6):
        clips.write(real / f"{number:03}.mp4", clips.gliding(2, 12, SIZE), 12)
        bluer = (halves(picture)[1] for picture in side_by_side(clips.gliding(2, 12, SIZE)))
        clips.write(fake / f"{number:03}_{(number + 1) % 6 if number % 2 == 0 else number - 1:03}.mp4", bluer, 12)
    return root


@pytest.fixture(scope="module")
def torch_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Torchvision's cache with weights of the right layout that nobody trained."""
    home = tmp_path_factory.mktemp("torch")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    name = torchvision.models.ResNeXt50_32X4D_Weights.IMAGENET1K_V2.url.rsplit("/", 1)[1]
    torch.save(torchvision.models.resnext50_32x4d(weights=None).state_dict(), folder / name)
    return home


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "unmask", "train", "--threads", "1", *arguments]


def env(torch_home: Path, folder: Path) -> dict[str, str]:
    settings = folder / "unmask.yaml"
    settings.write_text("streamer: {detector: haar}\n")
    return {**os.environ, "TORCH_HOME": str(torch_home)}


@pytest.mark.timeout(300)  # processes that import PyTorch and find faces: half a minute, several on a busy machine
def test_from_imagenet_weights_and_a_data_set_to_a_checkpoint(
    faceforensics: Path, torch_home: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE)
    surroundings = env(torch_home, tmp_path)
    done = subprocess.run(
        command(
            "--init", "imagenet", "--data", str(faceforensics), "--run", "run", "--recipe", str(recipe),
            "--passes", "12", "--name", "mine", "--config", "unmask.yaml",
        ),
        cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    model, meta = checkpoint.load(tmp_path / "run" / "checkpoint.safetensors")
    assert meta.name == "mine"
    assert meta.passes == 12
    assert model.config.layers == (3, 4, 6, 3)
    noted = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert noted[0]["recipe"]["init"] == "imagenet"
    # three steps move a weight little: it is still torchvision's
    stored = torch.load(next((torch_home / "hub/checkpoints").iterdir()), weights_only=True)
    name = "layer4.2.conv3.weight"
    trained = model.encoder.state_dict()[name]
    assert torch.nn.functional.cosine_similarity(trained.flatten(), stored[name].flatten(), dim=0) > 0.9


@pytest.mark.timeout(300)
def test_a_run_killed_in_the_middle_goes_on(faceforensics: Path, torch_home: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(SMALL)
    surroundings = env(torch_home, tmp_path)
    asked = command(
        "--data", str(faceforensics), "--run", "run", "--recipe", str(recipe), "--passes", "1000000",
        "--config", "unmask.yaml",
    )  # fmt: skip
    log = tmp_path / "run" / "log.jsonl"
    process = subprocess.Popen(asked, cwd=tmp_path, env=surroundings, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 90
        while not (log.exists() and log.read_text().count("\n") > 1) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 130
    finally:
        end(process)
    reached = json.loads(log.read_text().splitlines()[-1])["passes"]
    assert reached >= 50 * 4
    again = subprocess.run(
        [*asked, "--passes", str(reached + 400)], cwd=tmp_path, env=surroundings, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr[-2000:]
    events = [json.loads(line).get("event") for line in log.read_text().splitlines()]
    assert [event for event in events if event] == ["started", "resumed"]
    assert checkpoint.load(tmp_path / "run" / "checkpoint.safetensors").meta.passes == reached + 400


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "nowhere", "--run", "run"], "manifest nowhere"),
        (["--data", ".", "--run", "run"], "layouts that are known"),
        (["--data", ".", "--run", "run", "--recipe", "none.yaml"], "none.yaml can't be read"),
    ],
)
def test_what_is_wrong_is_one_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    set_already = {name: MALLOC[name] for name in list(MALLOC)[:1]}  # so that it does not start itself anew
    done = call("train", "--threads", "1", *arguments, cwd=tmp_path, env=set_already)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
