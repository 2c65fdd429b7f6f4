"""Peers that open a connection to https and never get to HTTP; while an ordinary client is served."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard import limits
from tests.dashboard.conftest import Running
from tests.dashboard.wire_talk import connect, rest
from tests.support.certificates import Authority
from tests.support.servers import wait_until

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # how a ClientHello begins


@pytest.fixture
def secure(tmp_path: Path, dashboard: Callable[..., Running]) -> Callable[..., tuple[Running, httpx.Client]]:
    """A dashboard with a certificate, and a client that makes a connection for each request."""
    authority = Authority(tmp_path)
    certificate, key = authority.pair()

    def start(**options: Any) -> tuple[Running, httpx.Client]:
        one = dashboard(tls_certificate=certificate, tls_key=key, **options)
        trust = ssl.create_default_context(cafile=authority.file)
        keep = httpx.Limits(max_keepalive_connections=0)
        return one, httpx.Client(verify=trust, base_url=f"https://127.0.0.1:{one.port}", limits=keep)

    return start


def test_who_says_nothing_or_half_a_hello_is_ended_in_time(
    secure: Callable[..., tuple[Running, httpx.Client]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKE_S", 0.5)
    one, client = secure()
    with client, ExitStack() as stack:
        silent = [stack.enter_context(closing(connect(one.port))) for _ in range(20)]
        for peer in silent[::2]:
            peer.sendall(HELLO)
        began = time.monotonic()
        assert client.get("/healthz").status_code == 200
        assert [rest(peer) for peer in silent] == [b""] * 20
        assert time.monotonic() - began < 10, "asyncio by itself waits a minute"


def test_a_handshake_counts_and_its_place_is_free_again(secure: Callable[..., tuple[Running, httpx.Client]]) -> None:
    one, client = secure(max_connections_per_address=3)
    with client, ExitStack() as stack:
        silent = [stack.enter_context(closing(connect(one.port))) for _ in range(3)]
        with closing(connect(one.port)) as fourth:
            assert rest(fourth) == b"", "cut at once: it would wait for longer than this test"
        with pytest.raises(httpx.TransportError):
            client.get("/healthz")
        silent.pop().close()
        wait_until(lambda: served(client), 10, "there is room for one")
        for _ in range(5):  # one after the other: each gives its place back
            assert served(client)


def served(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False
