"""Plugins as pip would install them: their modules and the metadata that setuptools makes of their pyproject.toml."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from wire.plugins import GROUPS, Kind

EXAMPLES = Path(__file__).parents[2] / "examples"
_METADATA = """
import os, sys
from setuptools import build_meta
for project in sys.argv[1:]:
    os.chdir(project)
    os.mkdir("metadata")
    build_meta.prepare_metadata_for_build_wheel("metadata")
"""


def install_examples(site: Path, scratch: Path) -> None:
    """The three of examples/ into the folder `site`."""
    projects = [shutil.copytree(EXAMPLES / kind, scratch / kind) for kind in GROUPS]
    site.mkdir()
    subprocess.run([sys.executable, "-c", _METADATA, *map(str, projects)], check=True, capture_output=True)
    for project in projects:
        for found in (*project.glob("unmask_example_*.py"), *project.glob("metadata/*.dist-info")):
            found.rename(site / found.name)


def install(site: Path, kind: Kind, name: str, code: str, package: str = "") -> None:
    """A plugin whose module defines `Plugin`, version 1.2, into the folder `site`."""
    package = package or f"hostile_{kind}"
    site.mkdir(exist_ok=True)
    (site / f"{package}.py").write_text(code)
    info = site / f"{package}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{GROUPS[kind]}]\n{name} = {package}:Plugin\n")
