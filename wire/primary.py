"""Following a primary: whoever knows where it is, a Sentinel or a node of a Cluster, is asked for each new connection.

redis-py's pool for Sentinels does that and breaks what led to a server that was demoted; it asks a `Sentinel` of its
own, whose place `Finder` takes. That one asks SENTINEL MASTERS, which during a failover names the old primary, and
takes it for alive as soon as it is started again: what is written there is lost. GET-MASTER-ADDR-BY-NAME does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import redis
import redis.asyncio
from redis.asyncio.sentinel import SentinelManagedConnection as AsyncManaged
from redis.asyncio.sentinel import SentinelManagedSSLConnection as AsyncManagedSSL
from redis.sentinel import MasterNotFoundError, SentinelManagedConnection, SentinelManagedSSLConnection

Node = tuple[str, int]
ERRORS = (redis.RedisError, OSError)


class Guide(Protocol):
    """Whom to ask for the primary, what, and how to read the answer."""

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Those that may be asked."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Of a connection to one of them."""

    @property
    def question(self) -> tuple[str, ...]:
        """The command."""

    @property
    def subject(self) -> str:
        """What nobody knew, where nobody did."""

    @property
    def url(self) -> str:
        """Of the primary, except where it is."""

    def place(self, asked: Node, answer: Any) -> Node | None:
        """Where the primary is by this answer."""


class _Nodes:
    """Those that are asked, the one that answered last first."""

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self._nodes = list(guide.nodes)

    def _found(self, asked: Node, answer: Any) -> Node | None:
        found = self._guide.place(asked, answer)
        if found:
            # Anew, not in place: a list that is being sorted is empty to the pool's other threads.
            self._nodes = sorted(self._nodes, key=lambda node: node != asked)
        return found

    def _nobody(self, error: BaseException | None) -> MasterNotFoundError:
        return MasterNotFoundError(f"nobody names {self._guide.subject}" + (f"; {error}" if error else ""))


class Finder(_Nodes):
    """Of redis-py's `Sentinel`, what its pool calls."""

    def __init__(self, guide: Guide, client: Callable[[Node], redis.Redis]) -> None:
        super().__init__(guide)
        self._client = client

    def discover_master(self, _name: str) -> Node:
        """The primary by the first that answers and knows it. Raises MasterNotFoundError, a redis.ConnectionError."""
        last: BaseException | None = None
        for node in list(self._nodes):
            try:
                with self._client(node) as client:
                    ask: Any = client.execute_command
                    if found := self._found(node, ask(*self._guide.question)):
                        return found
            except ERRORS as error:
                last = error
        raise self._nobody(last)


class AsyncFinder(_Nodes):
    """The same for asyncio."""

    def __init__(self, guide: Guide, client: Callable[[Node], redis.asyncio.Redis]) -> None:
        super().__init__(guide)
        self._client = client

    async def discover_master(self, _name: str) -> Node:
        """The primary by the first that answers and knows it. Raises MasterNotFoundError, a redis.ConnectionError."""
        last: BaseException | None = None
        for node in list(self._nodes):
            try:
                async with self._client(node) as client:
                    ask: Any = client.execute_command
                    if found := self._found(node, await ask(*self._guide.question)):
                        return found
            except ERRORS as error:
                last = error
        raise self._nobody(last)


class _Moving:
    """A connection that breaks where its slot has moved: whoever is asked then knows more than this node may."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        """As any connection's. Raises redis.ConnectionError instead of MOVED and ASK."""
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except redis.exceptions.AskError as error:
            self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(f"the slot is another node's: {error}") from error


class _AsyncMoving:
    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except redis.exceptions.AskError as error:
            await self.disconnect()  # type: ignore[attr-defined]
            raise redis.ConnectionError(f"the slot is another node's: {error}") from error


class Connection(_Moving, SentinelManagedConnection):
    """To a primary."""


class SSLConnection(_Moving, SentinelManagedSSLConnection):
    """The same over TLS."""


class AsyncConnection(_AsyncMoving, AsyncManaged):
    """The same for asyncio."""


class AsyncSSLConnection(_AsyncMoving, AsyncManagedSSL):
    """The same for asyncio over TLS."""
