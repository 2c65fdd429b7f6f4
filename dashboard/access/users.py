"""The configured users, and the token that opens everything."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboard.access import hashing
from dashboard.access.principal import Principal
from wire.errors import ConfigError
from wire.settings import DashboardSettings, UserSettings

TOKEN = "token"  # the name of whoever presents dashboard.token
_REMEDY = "make one with 'unmask token {name}'"


@dataclass(frozen=True, slots=True)
class User:
    """One of `dashboard.users`."""

    principal: Principal
    hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in. Nobody configured: everybody, as an admin."""

    token: str | None = field(default=None, repr=False)
    users: dict[str, User] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether nobody has to say who he is."""
        return self.token is None and not self.users

    def credential(self, name: str) -> str | None:
        """What somebody of this name is known by: a hash, or the token; None for nobody."""
        if name == TOKEN:
            return self.token
        user = self.users.get(name)
        return user.hash if user else None

    def principal(self, name: str) -> Principal:
        """Somebody whose credential is known to be right. Raises KeyError."""
        return Principal(TOKEN, "admin") if name == TOKEN else self.users[name].principal


def configured(section: DashboardSettings) -> Access:
    """Who may come in, by the settings. Raises ConfigError."""
    token = section.token.get_secret_value() if section.token else None
    return Access(token, {name: _user(name, one) for name, one in section.users.items()})


def _user(name: str, one: UserSettings) -> User:
    if name == TOKEN:
        raise _wrong(name, "", "is the name of whoever presents dashboard.token", "choose another name")
    where = "hash" if one.hash is not None else "hash_file"
    text = one.hash.get_secret_value() if one.hash is not None else _read(name, one)
    try:
        hashing.check(text.strip())
    except ValueError as error:
        raise _wrong(name, where, str(error), _REMEDY.format(name=name)) from None
    return User(Principal(name, one.role, one.cameras), text.strip())


def _read(name: str, one: UserSettings) -> str:
    assert one.hash_file is not None
    try:
        return one.hash_file.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise _wrong(name, "hash_file", f"{one.hash_file}: {reason}", "give a readable file with the hash") from None


def _wrong(name: str, key: str, problem: str, remedy: str) -> ConfigError:
    return ConfigError("configuration", f"dashboard.users.{name}{'.' if key else ''}{key}", problem, remedy)
