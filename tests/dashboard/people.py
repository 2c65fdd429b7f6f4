"""Users for tests, whose hashes cost next to nothing."""

from __future__ import annotations

from argon2 import PasswordHasher
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from dashboard.access.principal import Principal
from dashboard.access.users import User
from wire.messages import UserRole

_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def secret(name: str) -> str:
    """What the user of this name knows."""
    return f"{name}-knows-0123456789-abcdefghijklmnop"


def token(name: str) -> str:
    """The user's token."""
    return f"{name}~{secret(name)}"


def bearer(name: str) -> dict[str, str]:
    """The user's header."""
    return {"authorization": f"Bearer {token(name)}"}


def person(name: str, role: UserRole = "viewer", *cameras: str) -> User:
    """A user."""
    return User(Principal(name, role, cameras), _QUICK.hash(secret(name)))


def rest(socket: ClientConnection, timeout_s: float = 15.0) -> list[str | bytes]:
    """All that comes until the server closes."""
    found: list[str | bytes] = []
    while True:
        try:
            found.append(socket.recv(timeout=timeout_s))
        except ConnectionClosed:
            return found
