"""The report of the session's faults, and the rig that they are injected into."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.report import LONG, Report
from tests.faults.rig import CLOCK, HOURS, Rig
from tests.worker.making import tiny_checkpoint

_REPORT = pytest.StashKey[Report]()
DISK_MB = 512  # at most; a tmpfs takes no more than is written


def pytest_configure(config: pytest.Config) -> None:
    """The mark of the faults that only `make faults` injects."""
    config.addinivalue_line("markers", "long: runs with UNMASK_FAULTS=long only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those out of the ordinary suite."""
    if not LONG and (left := [item for item in items if item.get_closest_marker("long")]):
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Iterator[Report]:
    """Takes the figures of each fault; the file is written when the session ends."""
    one = pytestconfig.stash[_REPORT] = Report()
    yield one
    one.write()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Where the report is, and what it says."""
    one = config.stash.get(_REPORT, None)
    if one is not None and one.faults:
        terminalreporter.section("faults")
        for line in (*one.lines(), f"report: {one.path}"):
            terminalreporter.write_line(line)


@pytest.fixture(scope="package")
def zygote() -> Iterator[subprocess.Popen[str]]:
    """One process that has imported everything a worker needs, see there."""
    command = [sys.executable, "-m", "tests.worker.zygote"]
    env = {**os.environ, **CLOCK}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate(timeout=10)
    HOURS.unlink(missing_ok=True)


@pytest.fixture(scope="package")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk that can be filled; an ordinary folder where no file system may be mounted."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    mounted = sys.platform == "linux" and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    yield folder
    if mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory, disk: Path, zygote: subprocess.Popen[str]) -> Iterator[Rig]:
    """Everything, up and scoring."""
    folder = tmp_path_factory.mktemp("rig")
    with ExitStack() as stack:
        one = Rig(stack, folder, disk, tiny_checkpoint(folder / "tiny.safetensors"), zygote)
        yield one
        one.close()


@pytest.fixture(autouse=True)
def _whole(request: pytest.FixtureRequest) -> Iterator[None]:
    """A fault that a failed test has left behind must not fail the next one."""
    yield
    if "rig" in request.fixturenames:
        rig: Rig = request.getfixturevalue("rig")
        rig.mend()
