"""The project's own rules: who may import whom, what an import may load, and that the docs say what the code does."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from wire import schema, settings

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "wire": {"wire"},
    "streamer": {"wire", "streamer"},
    "worker": {"wire", "worker"},
    "dashboard": {"wire", "dashboard"},
    "unmask": {"wire", "streamer", "worker", "dashboard", "unmask"},
}


def imports(path: Path) -> set[str]:
    """The top-level names a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_the_import_rule(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        ours = imports(path) & MAY_IMPORT.keys()
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {ours - MAY_IMPORT[package]}"


def test_every_redis_client_is_made_in_one_place() -> None:
    """Or TLS and time-outs would hold for some and not for others; benchmarks bring their own server."""
    made = {
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
        if "bench" not in path.parts and re.search(r"from_url\(|\bRedis\(|ConnectionPool\(", path.read_text("utf-8"))
    }
    assert made == {"wire/bus.py"}


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("dashboard", ["torch", "av", "cv2"]), ("worker", ["av"]), ("wire", ["torch", "av", "cv2", "starlette"])],
)
def test_what_an_import_loads(package: str, forbidden: list[str]) -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__main__.py" and "training" not in path.parts
    ]
    code = f"import sys, {', '.join(modules)}; print([n for n in {forbidden} if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


DISTRIBUTION = {
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "argon2": "argon2-cffi",
}


EXTRAS = {
    "opentelemetry": "otel",
    "onveef": "discover",
    "xcffib": "x11",
}  # imported only where a setting or a command asks for it
SYSTEM = {"gi"}  # unmask/bench/rtsp_server.py runs under the system's Python


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    always, extras = _names(project["dependencies"]), project["optional-dependencies"]
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            for name in imports(path) - set(sys.stdlib_module_names) - MAY_IMPORT.keys() - SYSTEM:
                if name in EXTRAS:
                    assert any(one.startswith(name) for one in extras[EXTRAS[name]])
                    continue
                wanted = DISTRIBUTION.get(name, name.replace("_", "-")).lower()
                assert wanted in always, f"{path.relative_to(ROOT)} imports {name}: not in pyproject.toml"


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[;\[<>=!~ ]", requirement)[0].lower() for requirement in requirements}


def test_the_example_and_the_settings_page_say_what_the_code_does() -> None:
    spec = importlib.util.spec_from_file_location("settings_docs", ROOT / "scripts" / "settings_docs.py")
    assert spec
    assert spec.loader
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    remedy = "run: python scripts/settings_docs.py"
    assert generator.EXAMPLE.read_text(encoding="utf-8") == generator.example(), remedy
    assert generator.PAGE.read_text(encoding="utf-8") == generator.page(), remedy
    assert generator.SCHEMA.read_text(encoding="utf-8") == schema.schema() + "\n", remedy


def test_the_example_holds_the_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REDIS_URL", "UNMASK_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert settings.load(ROOT / "unmask.example.yaml") == settings.load(None)


def test_the_examples_camera_is_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAMERA_USER", "u")
    monkeypatch.setenv("CAMERA_PASSWORD", "p")
    text = (ROOT / "unmask.example.yaml").read_text(encoding="utf-8")
    _head, _, rest = text.partition("cameras: {}\n")
    commented = [line.removeprefix("#") for line in rest.split("\n\n")[0].splitlines()]
    path = tmp_path / "unmask.yaml"
    path.write_text("cameras:\n" + "\n".join(commented))
    assert yaml.safe_load(path.read_text())["cameras"]
    assert settings.load(path).cameras["front-door"].url == "rtsp://u:p@192.0.2.10:554/stream1"


def test_the_map_of_what_is_kept_names_every_key() -> None:
    tree = ast.parse((ROOT / "wire" / "keys.py").read_text())
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    # f"{self.prefix}held:{camera}:{track}": the first constant after the prefix.
    keys = {part.value for text in texts for part in text.values[1:2] if isinstance(part, ast.Constant)}
    assert len(keys) > 30
    told = (ROOT / "docs" / "privacy.md").read_text()
    assert {key for key in keys if f"`{key}`" not in told} == set()
