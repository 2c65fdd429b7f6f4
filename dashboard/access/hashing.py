"""Hashes of tokens and passwords: Argon2id (RFC 9106), and the form of the tokens that are made here."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError

SEPARATOR = "~"  # of a token's two parts, NAME~SECRET; no name holds it
UNGUESSABLE = 32  # a secret of so many characters is not found by trying
MAX_SECRET = 1024
MAX_MEMORY_KIB, MAX_PASSES = 1024 * 1024, 16  # of a hash that is configured

# RFC 9106's second recommendation (64 MiB, 3 passes), in one lane: each takes one core, two are made at once.
_HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=1)


def new_secret() -> str:
    """256 random bits, as 43 characters."""
    return secrets.token_urlsafe(32)


def made(secret: str) -> str:
    """The hash of a token's secret, or of a password; slow on purpose."""
    return _HASHER.hash(_bytes(secret))


def matches(hash: str, secret: str) -> bool:
    """Whether the hash is that of the secret; slow on purpose, without the interpreter's lock."""
    try:
        return _HASHER.verify(hash, _bytes(secret))
    except (Argon2Error, InvalidHashError):
        return False


def check(hash: str) -> None:
    """Raises ValueError, which says what is wrong with the hash, but not what it is."""
    try:
        cost = extract_parameters(hash)
    except (InvalidHashError, ValueError):
        raise ValueError("is no Argon2 hash") from None
    if cost.type is not Type.ID:
        raise ValueError("is no Argon2id hash")
    if cost.memory_cost > MAX_MEMORY_KIB or cost.time_cost > MAX_PASSES:
        raise ValueError(f"takes more than {MAX_MEMORY_KIB} KiB or {MAX_PASSES} passes")


def _bytes(secret: str) -> bytes:
    return secret.encode("utf-8", "surrogatepass")
