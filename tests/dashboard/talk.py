"""A subscriber that speaks the protocol of /ws/v1 by hand: real server, real Valkey, real sockets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.dashboard.conftest import Running

Start = Callable[..., Running]
WAIT_S = 15.0


class Talk:
    """A subscriber that speaks the protocol by hand."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.welcome: dict[str, Any] = {}

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def hear(self, *types: str, timeout_s: float = WAIT_S) -> dict[str, Any]:
        """The next message of these types; heartbeats are passed over unless asked for."""
        until = time.monotonic() + timeout_s
        while True:
            message: dict[str, Any] = json.loads(self.socket.recv(timeout=max(0.01, until - time.monotonic())))
            if message["type"] in types:
                return message
            assert message["type"] == "heartbeat", message

    def closed(self) -> int:
        """The code the server closes with."""
        return self.rest()[1]

    def rest(self) -> tuple[list[dict[str, Any]], int]:
        """All messages up to the close, and its code."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                messages.append(json.loads(self.socket.recv(timeout=WAIT_S)))
            except ConnectionClosed as closed:
                return messages, closed.rcvd.code if closed.rcvd else 1006


@contextmanager
def talking(one: Running, hello: bool = True, **options: Any) -> Iterator[Talk]:
    """A connection, greeted."""
    with connect(one.ws, **{"compression": None, "close_timeout": 1, **options}) as socket:
        talk = Talk(socket)
        if hello:
            talk.say(type="hello", version=1, token=one.config.access.token)
            talk.welcome = talk.hear("welcome")
        yield talk


def subscribe(talk: Talk, **filters: Any) -> dict[str, Any]:
    talk.say(type="subscribe", id="s", **filters)
    return talk.hear("subscribed")
