"""Where a camera's picture comes from is set in the configuration and nowhere else (SSRF)."""

from __future__ import annotations

import json

import pytest

from dashboard.api.operation import Operation
from dashboard.api.routes import OPERATIONS

CHANGING = [operation for operation in OPERATIONS if operation.method != "GET"]


@pytest.mark.parametrize("operation", CHANGING, ids=lambda operation: f"{operation.method} {operation.path}")
def test_no_request_takes_an_address(operation: Operation) -> None:
    """Neither a path, nor a query, nor a body has a place for one."""
    assert CHANGING
    named = {operation.path}
    for type_ in (operation.query, operation.body):
        named |= set(getattr(type_, "__struct_fields__", ()))
    words = json.dumps(sorted(named)).lower()
    for word in ("url", "source", "uri", "host", "address", "path"):
        assert word not in words, f"{operation.path} takes {word}"


def test_cameras_can_be_looked_at_and_snoozed_alone() -> None:
    cameras = {(operation.method, operation.path) for operation in OPERATIONS if "/cameras" in operation.path}
    assert {path.rpartition("/")[2] for method, path in cameras if method != "GET"} <= {"snooze"}
