"""Packages of npm for a test, where node and npm are installed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from tests.support.servers import missing


def installed(folder: Path, *packages: str) -> Path:
    """The folder, with these packages below node_modules, where they may be already; skips where they can't be had.

    One at a time: tests that run beside each other share the folder.
    """
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((folder / "node_modules" / package.rpartition("@")[0]).exists() for package in packages):
            _install(folder, packages)
    return folder


def _install(folder: Path, packages: tuple[str, ...]) -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        missing("no node and npm: run scripts/install-system.sh test")
    quiet = ["--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(
        ["npm", "install", "--prefix", str(folder), *quiet, *packages],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        missing(f"npm can't install {', '.join(packages)}")
