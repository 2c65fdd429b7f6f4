"""The embedded server: a real Valkey on a private socket that keeps what it was told."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.servers import end, wait_until
from unmask.embedded import EmbeddedServer
from wire.errors import ServiceError


@contextmanager
def started(state: Path) -> Iterator[tuple[EmbeddedServer, redis.Redis]]:
    with EmbeddedServer(state) as server:
        process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(server.url)
        try:
            wait_until(lambda: _pings(client), 10, "the embedded server answers")
            yield server, client
        finally:
            client.close()
            end(process)


def _pings(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def test_it_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    state = tmp_path / ("deep" * 40)  # longer than a socket's path may be
    with started(state) as (_, client):
        client.xadd("alerts", {"m": "x"}, id="1-1")
        assert client.config_get("appendonly")["appendonly"] == "yes"
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("auto-aof-rewrite-min-size")["auto-aof-rewrite-min-size"] == str(1 << 30)
    with started(state) as (_, client):
        assert client.xrange("alerts")[0][0] == b"1-1"


def test_it_is_private(tmp_path: Path) -> None:
    with started(tmp_path) as (server, client):
        socket = Path(server.url.removeprefix("unix://"))
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        assert client.config_get("port")["port"] == "0"
    assert not socket.parent.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_said_and_leaves_the_folder_free(tmp_path: Path) -> None:
    (tmp_path / "valkey").mkdir()
    (tmp_path / "valkey" / "address").symlink_to("/dev/full")
    with pytest.raises(ServiceError, match="free space on its disk"), EmbeddedServer(tmp_path):
        pass
    with EmbeddedServer(tmp_path):
        pass


def test_one_state_folder_serves_one_unmask(tmp_path: Path) -> None:
    with (
        EmbeddedServer(tmp_path),
        pytest.raises(ServiceError, match="another unmask is running"),
        EmbeddedServer(tmp_path),
    ):
        pass
    with EmbeddedServer(tmp_path):  # and is free again afterwards
        pass


def test_a_state_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="state folder"), EmbeddedServer(tmp_path / "file"):
        pass
