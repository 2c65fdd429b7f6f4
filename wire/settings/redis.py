"""Settings of Redis: files, Sentinels and nodes become parts of one url."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import Field, SecretStr, model_validator

from wire import sentinels, slots
from wire.settings.section import SecretUrl, Section, from_environment
from wire.shards import Shard, located, prefixes

_TLS_QUERY = {"ca": "ssl_ca_certs", "certificate": "ssl_certfile", "key": "ssl_keyfile"}  # redis-py's names


class RedisSettings(Section):
    """Where the services meet."""

    url: str | None = Field(None, repr=False, description="redis://, rediss:// or unix://; unset: the embedded server")
    prefix: str = Field("unmask:", description="Start of every key")
    ca: Path | None = Field(None, description="rediss://: the authority of its certificate, PEM; unset: the system's")
    certificate: Path | None = Field(None, description="rediss://: the certificate that we show, PEM")
    key: Path | None = Field(None, description="And its key, where that is another file")
    sentinels: tuple[str, ...] = Field((), description="HOST:PORT of each; the url's host is the primary's name")
    sentinel_password: SecretUrl | None = Field(None, description="Theirs; ${NAME} is taken from the environment")
    cluster: tuple[str, ...] = Field((), description="HOST:PORT of more nodes of url's Cluster; prefix: '{unmask}:'")
    shards: int = Field(1, ge=1, le=64, description="Parts of the cameras, each in a slot of its own: docs/cluster.md")

    @model_validator(mode="after")
    def _in_slots(self) -> Self:
        prefixes(self.prefix, self.shards)
        return self

    def spaces(self, url: str) -> tuple[Shard, ...]:
        """The shards; `url` is that of this Redis, or of the server that we brought ourselves."""
        return located(url, self.prefix, self.shards, self.cluster)

    @model_validator(mode="before")
    @classmethod
    def _in_url(cls, data: Any) -> Any:
        """Files, Sentinels, nodes become parts of the url: all that a client needs, in this process and in others."""
        return _with_cluster(_with_sentinels(_with_files(data))) if isinstance(data, dict) else data


def _with_files(data: dict[str, Any]) -> dict[str, Any]:
    if not (named := {key: data[key] for key in _TLS_QUERY if data.get(key)}):
        return data
    if not str(data.get("url") or "").lower().startswith("rediss://"):
        raise ValueError(f"redis.{next(iter(named))} wants a rediss:// url")
    if "key" in named and "certificate" not in named:
        raise ValueError("redis.key wants redis.certificate")
    parts = urlsplit(data["url"])
    query = dict(parse_qsl(parts.query)) | {_TLS_QUERY[key]: str(value) for key, value in named.items()}
    return data | {"url": urlunsplit(parts._replace(query=urlencode(query)))}


def _with_sentinels(data: dict[str, Any]) -> dict[str, Any]:
    listed, password = data.get("sentinels"), data.get("sentinel_password")
    if not listed:
        if password:
            raise ValueError("redis.sentinel_password wants redis.sentinels")
        return data
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        return data  # refused by its type
    plain = password.get_secret_value() if isinstance(password, SecretStr) else str(password or "")
    return data | {"url": sentinels.join(str(data.get("url") or ""), listed, from_environment(plain))}


def _with_cluster(data: dict[str, Any]) -> dict[str, Any]:
    listed, prefix = data.get("cluster"), data.get("prefix") or ""
    if not listed or not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in (*listed, prefix)):
        return data  # none, or refused by its type
    if data.get("sentinels"):
        raise ValueError("redis.cluster and redis.sentinels exclude each other")
    return data | {"url": slots.join(str(data.get("url") or ""), listed, prefix)}
