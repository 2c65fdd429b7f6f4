"""A Redis Cluster, of which we use one slot: how it is written in a url, and which node owns the slot.

`redis://:PASSWORD@HOST:PORT/0?nodes=HOST:PORT,HOST:PORT&slot=NUMBER`: any of its nodes, and the slot of the hash tag in
the prefix. All keys lie in that slot: a transaction, a script and a blocking read have one node to go to, as ever.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from redis.connection import parse_url
from redis.crc import key_slot

from wire.primary import Node
from wire.sentinels import TIMEOUT_S, address, written

PORT = 6379


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot, and the nodes that are asked for its owner."""

    number: int
    nodes: tuple[Node, ...]
    options: dict[str, Any]  # of a connection to a node, to ask
    url: str  # without what stands above

    @property
    def question(self) -> tuple[str, ...]:
        """Who owns what."""
        return "CLUSTER", "SLOTS"

    @property
    def subject(self) -> str:
        """For people."""
        return f"the owner of slot {self.number}, by redis.url and redis.cluster"

    def place(self, asked: Node, answer: Any) -> Node | None:
        """The owner's address, where there is one; a host that is not named is the one that was asked."""
        for low, high, owner, *_ in answer:
            if low <= self.number <= high:
                return (owner[0].decode() if owner[0] else asked[0]), int(owner[1])
        return None


def tag(prefix: str) -> str:
    """The hash tag in a prefix, which alone decides on the slot; "" where there is none."""
    begin = prefix.find("{")
    return prefix[begin + 1 : max(prefix.find("}", begin), 0)] if begin >= 0 else ""


def join(url: str, nodes: Sequence[str], prefix: str) -> str:
    """`url`, of one node, with other nodes and the slot of `prefix`. Raises ValueError where it can't be meant so."""
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("redis", "rediss") or not parts.hostname:
        raise ValueError("redis.cluster wants one of its nodes in redis.url, as redis://node-1:6379/0")
    if not tag(prefix):
        raise ValueError("redis.cluster wants a hash tag in redis.prefix, as '{unmask}:', to keep all in one slot")
    listed = ",".join(written(*address(node, PORT, "redis.cluster")) for node in nodes)
    query = dict(parse_qsl(parts.query)) | {"nodes": listed, "slot": str(key_slot(prefix.encode()))}
    return urlunsplit(parts._replace(query=urlencode(query, safe=",:[]")))


def split(url: str) -> Slot | None:
    """The parts of such a url; None for one without nodes. Raises ValueError."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if (listed := query.pop("nodes", None)) is None:
        return None
    number, plain = int(query.pop("slot", "")), urlunsplit(parts._replace(query=urlencode(query)))
    options: dict[str, Any] = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": TIMEOUT_S}
    parse: Any = parse_url
    options |= {name: value for name, value in parse(plain).items() if name in _ASKING}
    if parts.scheme.lower() == "rediss":
        options |= {"ssl": True, "ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    others = (address(node, PORT, "redis.cluster") for node in listed.split(","))
    first = (parts.hostname or "", parts.port or PORT)
    return Slot(number, tuple(dict.fromkeys((first, *others))), options, plain)


_ASKING = ("username", "password", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
