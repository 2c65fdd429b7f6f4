"""The port: had, taken by who knows whom, or by an Unmask."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.dashboard.conftest import Running, dashboard  # noqa: F401 - a fixture
from unmask import listening
from wire.errors import ServiceError
from wire.settings import Settings


def settings(port: int, host: str = "127.0.0.1") -> Settings:
    return Settings.model_validate({"dashboard": {"port": port, "host": host}})


def test_a_port_that_is_free() -> None:
    chosen = listening.port(settings(0))
    assert chosen > 0
    assert listening.port(settings(chosen)) == chosen


def test_a_port_that_another_unmask_has(dashboard: Callable[..., Running]) -> None:  # noqa: F811
    one = dashboard()
    with pytest.raises(ServiceError, match=f"another unmask serves its page at {one.http}/: open that") as caught:
        listening.port(settings(one.port))
    assert "--port" in caught.value.remedy


def test_a_port_that_another_program_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "PATIENCE_S", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        pytest.raises(ServiceError, match=r"can't listen on .*: choose another port"),
    ):
        listening.port(settings(mute.getsockname()[1]))


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:8008/"), ("::1", "http://[::1]:8008/"), ("nas", "http://nas:8008/")]
)
def test_the_address_is_one_of_this_machine(host: str, url: str) -> None:
    assert listening.address(settings(8008, host).dashboard) == url
