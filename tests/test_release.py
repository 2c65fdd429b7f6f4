"""One version everywhere; a wheel that runs elsewhere; completion, help and schema that are whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from unmask.cli import app
from wire.schema import schema

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_place_names_the_version_of_pyproject() -> None:
    assert re.search(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)[1] == VERSION  # type: ignore[index]
    images = re.findall(r"unmask:(\d[\w.]*)", text("docker-compose.yml") + text("docs/deploy.md"))
    assert len(images) >= 4
    assert set(images) == {VERSION}
    chart = yaml.safe_load(text("deploy/helm/unmask/Chart.yaml"))
    assert chart["version"] == chart["appVersion"] == VERSION
    made = ["make", "-n", "image", "BASE=python@sha256:0"]
    result = subprocess.run(made, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"-t unmask:{VERSION} ." in result.stdout
    result_of_cli = CliRunner().invoke(app, ["--version"])
    assert result_of_cli.output.strip() == f"unmask {VERSION}", "run: make setup"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive, and the wheel built from it and from nothing else."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("wire", "streamer", "worker", "dashboard", "unmask"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=clean())
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH" and not name.startswith("UNMASK")}


NEEDED = {
    "worker/checkpoints/default.safetensors", "dashboard/static/index.html", "dashboard/static/app.js",
    "dashboard/static/style.css", "unmask/demo/face.jpg", "unmask/demo/PICTURE.md", "unmask/evaluate/page.html",
}  # fmt: skip


def test_wheel_and_source_archive_hold_every_file(built: Path) -> None:
    with zipfile.ZipFile(built / f"unmask-{VERSION}-py3-none-any.whl") as wheel:
        inside = set(wheel.namelist())
    with tarfile.open(built / f"unmask-{VERSION}.tar.gz") as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    data = {"static", "checkpoints", "demo", "evaluate"}
    ours = {
        str(path.relative_to(ROOT))
        for package in ("wire", "streamer", "worker", "dashboard", "unmask")
        for path in (ROOT / package).rglob("*")
        if path.suffix == ".py" or (path.is_file() and path.parent.name in data and "__pycache__" not in path.parts)
    }
    assert ours >= NEEDED
    assert not ours - inside, "not in the wheel: name it under package-data in pyproject.toml"
    assert not ours - source
    assert not any(name.startswith("tests") for name in inside)


def test_the_wheel_runs_where_the_repository_is_not(built: Path, tmp_path: Path) -> None:
    """In an environment of its own, which borrows the dependencies: torch alone has 5.7 GB."""
    environment = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    site = next((environment / "lib").glob("python*/site-packages"))
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = environment / "bin" / "python"
    wheel = built / f"unmask-{VERSION}-py3-none-any.whl"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True, capture_output=True, env=clean())

    def say(*words: str) -> str:
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env=clean())
        assert done.returncode == 0, done.stderr
        return done.stdout

    unmask = str(environment / "bin" / "unmask")
    assert say(unmask, "--version") == f"unmask {VERSION}\n"
    assert "two virtual cameras" in say(unmask, "demo", "--help")
    assert json.loads(say(unmask, "schema"))["title"] == "unmask.yaml"
    assert (environment / "share" / "man" / "man1" / "unmask.1").read_text(encoding="utf-8") == text("unmask/unmask.1")
    where = say(
        str(python), "-c", "import dashboard, unmask, wire; print(dashboard.__file__, unmask.__file__, wire.__file__)"
    )
    assert all(path.startswith(str(site)) for path in where.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    script = CliRunner().invoke(app, env={"_UNMASK_COMPLETE": f"source_{shell}"}, prog_name="unmask")
    assert "_UNMASK_COMPLETE=complete_" in script.output
    typed = {"COMP_WORDS": "unmask ba", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "unmask ba"}
    typed |= {"_UNMASK_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    offered = CliRunner().invoke(app, env=typed, prog_name="unmask").output
    assert "backup" in offered
    assert "restore" not in offered
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script.output, text=True, check=True)


def test_every_command_argument_and_option_is_explained_and_every_command_has_an_example() -> None:
    def walk(name: str, command: Any) -> list[str]:
        found = [] if (command.help or "").strip() else [name]
        found += [f"{name} {one.opts[0]}" for one in command.params if not (one.help or "").strip()]
        if not command.hidden and not (command.epilog or "").startswith("Example: "):
            found.append(f"{name}: an example")
        for word, child in getattr(command, "commands", {}).items():
            found += walk(f"{name} {word}", child)
        return found

    assert walk("unmask", get_command(app)) == []


def test_the_schema_takes_the_example_and_refuses_mistakes() -> None:
    rules = json.loads(schema())
    example = yaml.safe_load(text("unmask.example.yaml"))
    jsonschema.Draft202012Validator.check_schema(rules)
    check = jsonschema.Draft202012Validator(rules).validate
    check(example)
    check({"cameras": {"door": {"url": "rtsp://${USER}@192.0.2.1/", "analysis_fps": 6}}})
    for wrong in ({"camera": {}}, {"dashboard": {"prt": 1}}, {"cameras": {"door": {}}}, {"dashboard": {"port": "x"}}):
        with pytest.raises(jsonschema.ValidationError):
            check(example | wrong)
    assert text("unmask.example.yaml").startswith("# yaml-language-server: $schema=docs/unmask.schema.json\n")
