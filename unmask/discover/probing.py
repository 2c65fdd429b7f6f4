"""WS-Discovery: a question to everyone in the local network, or to some addresses, and who answered."""

from __future__ import annotations

import asyncio
import socket
import time
import uuid
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import psutil
from onveef.wsdiscovery import DiscoveredDevice, build_probe, parse_probe_matches

from unmask.discover.vetting import Refused, plain, vetted

Host = tuple[str, int]  # IPv4 address, UDP port
GROUP: Host = ("239.255.255.250", 3702)
# A device answers only who asks for no more types than it has; older cameras have the first alone.
TYPES = ("dn:NetworkVideoTransmitter", "tds:Device")
ROUNDS = 3  # UDP loses some, and a camera may take half a second to answer
MAX_ANSWERS, MAX_OF_ONE = 512, 16  # all together; of one address, where several cameras may be behind ports


@dataclass(frozen=True, slots=True)
class Answer:
    """Who answered: the address that the answer came from, and what it says of itself."""

    address: str
    service: str  # the url of its device service on that address; empty where it names none there
    name: str = ""
    hardware: str = ""


def interfaces() -> list[str]:
    """The IPv4 addresses of this machine's interfaces that are up, but for loopback: each reaches a network."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    return [
        one.address
        for name, addresses in psutil.net_if_addrs().items()
        if name in up
        for one in addresses
        if one.family == socket.AF_INET and not one.address.startswith("127.")
    ]


def answers(data: bytes, sender: str) -> list[Answer]:
    """What a datagram from `sender` says; nothing where it is refused."""
    try:
        matches = parse_probe_matches(vetted(data))
    except Refused:
        return []
    return [_answer(one, sender) for one in matches]


def _answer(match: DiscoveredDevice, sender: str) -> Answer:
    # Another host is not asked: an answer must not send us, or a login's digest, where its sender likes.
    service = next((url for url in match.xaddrs if _on(url, sender)), "")
    return Answer(sender, service, plain(unquote(match.name)), plain(unquote(match.hardware)))


def _on(url: str, address: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and parts.hostname == address and parts.port != 0 and len(url) <= 512
    except ValueError:
        return False


class _Listener(asyncio.DatagramProtocol):
    """Keeps who answered; where `only` is given, no one else, and says when all of those have."""

    def __init__(self, only: frozenset[str]) -> None:
        self.found: dict[Answer, None] = {}
        self.complete = asyncio.Event()
        self._only = only

    def datagram_received(self, data: bytes, addr: Host) -> None:
        if self._only and addr[0] not in self._only:
            return
        new = [one for one in answers(data, addr[0]) if one not in self.found]
        room = min(MAX_ANSWERS - len(self.found), MAX_OF_ONE - sum(one.address == addr[0] for one in self.found))
        self.found.update(dict.fromkeys(new[: max(0, room)]))
        if self._only and self._only == {one.address for one in self.found}:
            self.complete.set()

    async def wait(self, seconds: float) -> None:
        """Until all have answered, for `seconds` at most."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.complete.wait(), seconds)


async def search(
    wait_s: float, hosts: Sequence[Host] = (), sources: Sequence[str] = (), group: Host = GROUP
) -> list[Answer]:
    """Who answers within `wait_s` seconds: of `hosts`, else of the networks that `sources`, our addresses, are in.

    Raises OSError where no question could be sent.
    """
    listener, end = _Listener(frozenset(host for host, _ in hosts)), time.monotonic() + wait_s
    async with AsyncExitStack() as stack:
        ways = [await _way(source, listener, stack) for source in ([""] if hosts else sources)]
        if not any(ways):
            raise OSError("no network interface is up")
        for _ in range(ROUNDS):
            for way in filter(None, ways):
                for host in hosts or [group]:
                    for types in TYPES:
                        way.sendto(build_probe(message_id=f"urn:uuid:{uuid.uuid4()}", types=types).encode(), host)
            await listener.wait(wait_s / (2 * ROUNDS))
            if listener.complete.is_set():
                break
        await listener.wait(end - time.monotonic())
    return _best(listener.found)


async def _way(source: str, listener: _Listener, stack: AsyncExitStack) -> asyncio.DatagramTransport | None:
    """A way out through the interface of our address `source`, closed by `stack`; None where that can't be had."""
    try:
        bound = _socket(source)
    except OSError:
        return None
    way, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: listener, sock=bound)
    stack.callback(way.close)
    return way


def _socket(source: str) -> socket.socket:
    """A UDP socket at our address `source`, through whose interface its multicasts go, no further than its network."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if source:
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(source))
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        made.bind((source, 0))
    except OSError:
        made.close()
        raise
    return made


def _best(found: Collection[Answer]) -> list[Answer]:
    """By address; one that named no service only where its address has no better answer."""
    good = {one.address for one in found if one.service}
    kept = {(one.address, one.service): one for one in found if one.service or one.address not in good}
    return sorted(kept.values(), key=lambda one: (socket.inet_aton(one.address), one.service))
