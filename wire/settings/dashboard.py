"""Settings of the dashboard and its users."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from wire.messages import UserRole
from wire.settings.section import Seconds, Section, UserName


class UserSettings(Section):
    """Who may come in, and to what. 'unmask token NAME' makes these lines."""

    role: UserRole = Field(description="viewer: sees; operator: judges and snoozes, too; admin: everything")
    hash: SecretStr | None = Field(None, description="Argon2id hash of the token or password, by 'unmask token'")
    hash_file: Path | None = Field(None, description="Or the file that holds the hash")
    cameras: tuple[str, ...] = Field((), description="Names or patterns, as lobby-*; empty: all")

    @model_validator(mode="after")
    def _one_hash(self) -> Self:
        if (self.hash is None) == (self.hash_file is None):
            raise ValueError("give either hash or hash_file, made by 'unmask token'")
        return self


class DashboardSettings(Section):
    """The page, the subscriptions, the health checks: one port."""

    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback wants a token or users")
    port: int = Field(8008, ge=0, le=65535, description="Port; 0: any free one, which is printed")
    token: SecretStr | None = Field(None, description="Who presents this may do everything")
    users: dict[UserName, UserSettings] = Field({}, description="Who may do what; docs/access.md explains it")
    allow_anonymous: bool = Field(False, description="Listen beyond loopback without a token or users")
    login_hours: float = Field(12.0, gt=0, le=24 * 366, description="A browser must sign in again after this")
    login_idle_min: float = Field(30.0, ge=1, le=60 * 24 * 366, description="And when its page was closed this long")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses or networks whose X-Forwarded-For and -Proto are believed"
    )
    stale_after_s: Seconds = Field(5.0, description="A camera not heard of for this long is shown as stale")
    allowed_origins: tuple[str, ...] = Field(
        (), description="Other sites whose pages may subscribe, as https://portal.example"
    )
    public_url: str | None = Field(None, description="Where people open the page; notifications link to it")
    max_connections: int = Field(4096, ge=1, description="Open connections at most, pages and subscribers together")
    max_connections_per_address: int = Field(
        256, ge=1, description="The same for one address; a proxy in front is one address"
    )
    tls_certificate: Path | None = Field(None, description="Serve https and wss with this certificate (chain), PEM")
    tls_key: Path | None = Field(None, description="And its key, where that is another file")

    @field_validator("token")
    @classmethod
    def _blank_is_none(cls, token: SecretStr | None) -> SecretStr | None:
        return token if token and token.get_secret_value().strip() else None

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for one in given:
            ipaddress.ip_network(one)  # says in its ValueError what is wrong
        return given
