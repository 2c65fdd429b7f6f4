"""A Redis that Sentinels watch: how it is written in a url, and who the primary is.

`redis://:PASSWORD@NAME/0?sentinels=HOST:PORT,HOST:PORT&sentinel_password=SECRET`: the host is the name under which the
Sentinels know the primary. The settings make it of `redis.sentinels`, so that one url remains all that a client needs.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from wire.primary import Node

PORT = 26379
TIMEOUT_S = 1.0  # a Sentinel that is slower is passed over: the next one is asked
_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


@dataclass(frozen=True, slots=True)
class Watched:
    """The name of the primary, its Sentinels, and how they are spoken to."""

    name: str
    nodes: tuple[Node, ...]
    options: dict[str, Any]  # of a connection to a Sentinel
    url: str  # without what stands above; its host is nobody's

    @property
    def question(self) -> tuple[str, ...]:
        """Who the primary is."""
        return "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.name

    @property
    def subject(self) -> str:
        """For people."""
        return f"the primary {self.name!r} of redis.sentinels"

    def place(self, _asked: Node, answer: Any) -> Node | None:
        """Where it is; None where the Sentinel does not know the name."""
        return (answer[0].decode(), int(answer[1])) if answer else None


def join(url: str, sentinels: Sequence[str], password: str = "") -> str:
    """`url`, whose host is the primary's name, with its Sentinels. Raises ValueError where it can't be meant so."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("redis", "rediss") or ":" in _host(parts.netloc) or not _host(parts.netloc):
        raise ValueError("redis.sentinels wants the primary's name for a host in redis.url, as redis://mymaster/0")
    addresses = ",".join(written(*address(one)) for one in sentinels)
    query = dict(parse_qsl(parts.query)) | {"sentinels": addresses}
    if password:
        query["sentinel_password"] = password
    return urlunsplit(parts._replace(query=urlencode(query, safe=",:[]")))


def split(url: str) -> Watched | None:
    """The parts of such a url; None for one without Sentinels. Raises ValueError."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if (listed := query.pop("sentinels", None)) is None:
        return None
    options: dict[str, Any] = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    if password := query.pop("sentinel_password", None):
        options["password"] = password
    if parts.scheme.lower() == "rediss":
        options |= {"ssl": True, "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
        options |= {name: query[name] for name in _TLS if name in query}
    addresses = tuple(address(one) for one in listed.split(","))
    return Watched(_host(parts.netloc), addresses, options, urlunsplit(parts._replace(query=urlencode(query))))


def address(text: str, port: int = PORT, setting: str = "redis.sentinels") -> Node:
    """Host and port of one server. Raises ValueError, which names the setting."""
    try:
        parts = urlsplit(f"//{text.strip()}")
        host, named = parts.hostname, parts.port
    except ValueError:
        host, named = None, None
    if not host or parts.path or "@" in text:
        raise ValueError(f"{setting} wants HOST or HOST:PORT of each")
    return host, named or port


def written(host: str, port: int) -> str:
    """As it stands in a url."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(netloc: str) -> str:
    """As it is written: names of primaries have capitals."""
    return netloc.rpartition("@")[2]
