"""The real Docker Compose, which reads files without a daemon."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
VALUED = {"-f", "--file", "--profile"}  # global options that have a value


@cache
def _command() -> tuple[str, ...] | None:
    """scripts/install_compose.sh's, or Docker's plugin; Compose 1 is another program."""
    beside = Path(sys.executable).parent / "docker-compose"
    if beside.exists():
        return (str(beside),)
    asked = ["docker", "compose", "version"]
    if shutil.which("docker") and not subprocess.run(asked, capture_output=True, check=False).returncode:
        return ("docker", "compose")
    return None


def compose(*words: str | Path, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it in the repository, with these variables and without a .env of whoever runs the tests."""
    command = _command()
    if command is None:
        pytest.skip("no Docker Compose: run make servers")  # also in CI: a machine need not have a newer Debian at hand
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(variables or {})}
    return subprocess.run(
        [*command, "--env-file", "/dev/null", *map(str, words)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def config(*options: str | Path, variables: dict[str, str] | None = None) -> dict[str, Any]:
    """What Compose makes of the files and profiles that are named. It must have nothing to say of them."""
    result = compose(*options, "config", "--format", "json", variables=variables)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def before_the_verb(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The options of `docker compose ...` that hold for every verb, and the verb with its own."""
    at = 2
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in VALUED else 1
    return words[2:at], words[at:]


def scaled(verb: tuple[str, ...]) -> Iterator[str]:
    """The services that `up --scale SERVICE=N` names."""
    yield from (value.split("=")[0] for option, value in pairwise(verb) if option == "--scale")
