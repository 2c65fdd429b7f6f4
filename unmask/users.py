"""`unmask token`: a user's token, or the hash of a password, and the lines for the configuration."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from getpass import getpass

import yaml

from dashboard.access import hashing
from dashboard.access.users import TOKEN
from wire.errors import UsageError

LEAST = 12  # characters of a password
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", re.ASCII)


def run(name: str, role: str, cameras: Sequence[str], password: bool) -> int:
    """Print a new token, which is kept nowhere, and the lines to paste. Raises UsageError."""
    if not _NAME.fullmatch(name) or name == TOKEN:
        raise UsageError(f"{name!r} can't be a user's name", "take letters, digits, and _ . @ - after the first")
    secret = _typed() if password else hashing.new_secret()
    if not password:
        sys.stdout.write(f"# The token of {name}; it is shown this once:\n# {name}{hashing.SEPARATOR}{secret}\n\n")
    sys.stdout.write("# For unmask.yaml:\n" + lines(name, role, cameras, hashing.made(secret)))
    return 0


def lines(name: str, role: str, cameras: Sequence[str], hash: str) -> str:
    """The user as YAML."""
    user = {"role": role, "hash": hash, **({"cameras": list(cameras)} if cameras else {})}
    return yaml.safe_dump({"dashboard": {"users": {name: user}}}, sort_keys=False, width=1000)


def _typed() -> str:
    """A password, typed twice on a terminal, or the first line of what is piped in."""
    if not sys.stdin.isatty():
        secret = sys.stdin.readline().rstrip("\r\n")
    elif (secret := getpass("Password: ")) != getpass("Again: "):
        raise UsageError("the two differ", "type the same password twice")
    if not LEAST <= len(secret) <= hashing.MAX_SECRET:
        raise UsageError(f"a password of {len(secret)} characters", f"take {LEAST} to {hashing.MAX_SECRET}")
    return secret
