"""A place that a program such as OBS pushes its picture to, by RTMP: one publisher at a time, who knows the key."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from streamer.rtmp import Refused, Session
from wire.errors import SourceError

TURN_S = 0.25  # a stop is noticed after this
SHAKE_S = 5.0  # from the connection to the key
MAX_PEERS = 8  # that have not shown the key yet
READ = 1 << 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where to listen, and what a publisher must name."""

    host: str
    port: int
    app: str
    key: str = field(repr=False)


@dataclass(slots=True)
class _Peer:
    session: Session
    address: str
    deadline: float


class Push:
    """One publisher's stay, from waiting for it to its end; a file of FLV for PyAV. For the reader's thread alone.

    While one publishes nobody else can connect. `waiting` hears "" when waiting begins, then why a peer was refused.
    """

    def __init__(
        self, place: Place, name: str, silence_s: float, stop: threading.Event, waiting: Callable[[str], None]
    ) -> None:
        self._place, self._name, self._silence_s, self._stop, self._waiting = place, name, silence_s, stop, waiting
        self._peer: socket.socket | None = None
        self._session: Session | None = None
        self._flv = bytearray()

    def wait(self) -> None:
        """Until a publisher has shown the key. Raises SourceError where the port can't be had, or we are stopped."""
        place = self._place
        family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
        try:
            listener = socket.create_server((place.host, place.port), family=family, backlog=MAX_PEERS)
        except OSError as error:
            reason = f"can't listen on port {place.port} ({error.strerror}): does another program have it?"
            raise SourceError("refused", self._name, reason) from None
        self._waiting("")
        with listener, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            try:
                while self._peer is None:
                    if self._stop.is_set():
                        raise SourceError("disconnected", self._name, "stopped")
                    self._turn(selector, listener)
            finally:
                for key in list(selector.get_map().values()):
                    if key.fileobj not in (listener, self._peer):
                        key.fileobj.close()  # type: ignore[union-attr]

    def read(self, count: int) -> bytes:
        """Up to `count` bytes of FLV, none at its end. Raises SourceError where it falls silent or breaks the rules."""
        assert self._peer is not None
        assert self._session is not None
        heard = time.monotonic()
        while not self._flv:
            if self._stop.is_set() or self._session.ended:
                return b""
            if time.monotonic() - heard > self._silence_s:  # whatever else it sends: sound, or nothing that is whole
                raise SourceError("timeout", self._name, "the publisher sends no picture")
            try:
                data = self._peer.recv(READ)
                if not data:
                    return b""
                self._flv += self._session.receive(data)
                self._peer.sendall(self._session.answers())
            except TimeoutError:
                continue
            except Refused as refused:
                raise SourceError("failed", self._name, f"the publisher broke off: {refused}") from None
            except OSError:
                return b""
        given = bytes(self._flv[:count])
        del self._flv[:count]
        return given

    def close(self) -> None:
        """Hang up; may be called twice."""
        if self._peer is not None:
            self._peer.close()

    def _turn(self, selector: selectors.BaseSelector, listener: socket.socket) -> None:
        for key, _ in selector.select(TURN_S):
            if key.fileobj is listener:
                self._accept(selector, listener)
            elif self._hear(selector, key.fileobj, key.data):  # type: ignore[arg-type]
                return
        now = time.monotonic()
        for key in list(selector.get_map().values()):
            if key.data and now > key.data.deadline:
                self._refuse(selector, key.fileobj, key.data, "it says nothing")  # type: ignore[arg-type]

    def _accept(self, selector: selectors.BaseSelector, listener: socket.socket) -> None:
        peer, address = listener.accept()
        if len(selector.get_map()) > MAX_PEERS:
            peer.close()
            return
        peer.settimeout(TURN_S)
        session = Session(self._place.app, self._place.key)
        selector.register(peer, selectors.EVENT_READ, _Peer(session, address[0], time.monotonic() + SHAKE_S))

    def _hear(self, selector: selectors.BaseSelector, peer: socket.socket, who: _Peer) -> bool:
        """Whether this peer is now our publisher."""
        made = b""
        try:
            data = peer.recv(READ)
            made = who.session.receive(data) if data else b""
            peer.sendall(who.session.answers())
        except Refused as refused:
            with suppress(OSError):  # it may have hung up
                peer.sendall(who.session.answers())
            self._refuse(selector, peer, who, str(refused))
            return False
        except OSError:
            data = b""
        if not data:
            selector.unregister(peer)
            peer.close()
        elif who.session.published:
            self._peer, self._session, self._flv = peer, who.session, bytearray(made)
        return self._peer is not None

    def _refuse(self, selector: selectors.BaseSelector, peer: socket.socket, who: _Peer, why: str) -> None:
        selector.unregister(peer)
        peer.close()
        self._waiting(f"a publisher at {who.address} was refused: {why}")
