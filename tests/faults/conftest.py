"""The report of the session's faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.report import Report

_REPORT = pytest.StashKey[Report]()


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
