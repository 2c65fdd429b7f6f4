"""Reaching Redis, and saying so when it can't be reached."""

from __future__ import annotations

import pytest

from tests.support.servers import free_port
from wire import bus
from wire.errors import RedisUnreachable


def test_connect_answers(redis_url: str) -> None:
    with bus.connect(redis_url) as client:
        assert client.ping()


def test_unreachable_is_one_line_without_the_password() -> None:
    with pytest.raises(RedisUnreachable) as caught:
        bus.connect(f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    assert "hunter2" not in str(caught.value)
    assert "REDIS_URL" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["nonsense", "http://x", "redis://h:port/0", ""])
def test_a_url_that_is_none_is_unreachable_too(url: str) -> None:
    with pytest.raises(RedisUnreachable):
        bus.connect(url)


def test_a_reason_is_short_and_has_no_credentials() -> None:
    said = bus.reason(ConnectionError(f"DENIED by redis://:hunter2@h/\n{'read this long page ' * 40}"))
    assert said.startswith("DENIED by redis://***@h/ read")
    assert len(said) == 160
    assert bus.reason(TimeoutError()) == "TimeoutError"
