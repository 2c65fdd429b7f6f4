from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.dashboard.conftest import Running, dashboard  # noqa: F401 - a fixture
from unmask import listening
from unmask.doctor import port
from wire.settings import Settings


def at(port: int, host: str = "127.0.0.1") -> Settings:
    return Settings.model_validate({"dashboard": {"port": port, "host": host}})


def test_a_port_that_is_free_or_any() -> None:
    free = listening.port(at(0))
    assert (port.look(at(free)).state, port.look(at(free)).details) == ("ok", f"127.0.0.1:{free} is free")
    assert port.look(at(0)).details == "any free one of 127.0.0.1"


def test_a_port_that_an_unmask_has(dashboard: Callable[..., Running]) -> None:  # noqa: F811
    one = dashboard()
    found = port.look(at(one.port))
    assert (found.state, found.details) == ("ok", f"an unmask serves its page at {one.http}/")


def test_a_port_that_another_program_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        found = port.look(at(mute.getsockname()[1]))
    assert (found.state, "can't listen on" in found.details) == ("failed", True)
    assert "choose another port" in found.remedy


def test_a_host_that_is_not_this_machine() -> None:
    found = port.look(at(0, "192.0.2.1"))
    assert (found.state, found.remedy) == ("failed", "set dashboard.host to an address of this machine")
