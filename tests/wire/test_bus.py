"""Reaching Redis, and saying so when it can't be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import redis

from tests.support.servers import free_port, valkey
from wire import bus
from wire.errors import RedisRefuses, RedisUnreachable


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


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (redis.AuthenticationError("invalid username-password pair or user is disabled."), "correct the user and"),
        (redis.AuthenticationError("Authentication required."), "correct the user and the password"),
        (redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), "free space on"),
        (redis.ResponseError("DB index is out of range"), "mend what it says, or correct REDIS_URL"),
    ],
)
def test_who_answers_and_refuses_is_not_to_be_started(error: redis.RedisError, remedy: str) -> None:
    said = bus.unreachable("redis://h/0", error)
    assert isinstance(said, RedisRefuses)
    assert said.remedy.startswith(remedy)
    assert "can't be reached" not in str(said)


def test_a_wrong_password_is_a_refusal(redis_url: str) -> None:
    with pytest.raises(RedisRefuses, match="correct the user and the password"):
        bus.connect(redis_url.replace("://", "://nobody:hunter2hunter2@"))


def test_a_reason_does_not_repeat_the_command(redis_url: str) -> None:
    with bus.connect(redis_url) as client, pytest.raises(redis.ResponseError) as caught, client.pipeline() as pipe:
        pipe.setrange("test:picture", -1, b"\xff\xd8\xff\xe0) of pipeline \n JFIF").execute()
    assert bus.reason(caught.value) == "offset is out of range"


async def ask_at_once(client: redis.asyncio.Redis, times: int = 6) -> list[object]:
    """As many connections; what each says, or its error."""
    return await asyncio.gather(*(client.get("key") for _ in range(times)), return_exceptions=True)


def test_a_redis_that_is_back_fails_nobody(tmp_path: Path) -> None:
    """Each connection of the pool was cut with it, and is opened anew before it is used."""

    async def talk() -> None:
        port = free_port()
        url = f"redis://127.0.0.1:{port}/0"
        client = bus.connect_async(url)
        with valkey(tmp_path, port=port):
            assert await ask_at_once(client) == [None] * 6
        assert isinstance((await ask_at_once(client, 1))[0], redis.ConnectionError)
        with valkey(tmp_path, port=port):
            assert await ask_at_once(client) == [None] * 6
            await client.aclose()

    asyncio.run(talk())
