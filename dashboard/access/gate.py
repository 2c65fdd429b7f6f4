"""Lets in: by token, by name and password, by cookie; slows down who guesses; ends what was signed out."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from dashboard.access import hashing
from dashboard.access.backoff import Attempts
from dashboard.access.logins import Logins, digest
from dashboard.access.principal import ANYBODY, Principal
from dashboard.access.users import TOKEN, Access
from dashboard.access.verifier import Busy, Verifier
from dashboard.limits import neighbourhood
from dashboard.spaces import PATIENCE_S
from dashboard.streams import BUS_ERRORS
from wire.telemetry import Log, Throttle

PATROL_S = 10.0  # between two looks at the logins whose pages are open
REMEMBERED = 4096
BUSY_S = 1.0


class Denied(Exception):
    """The token, the name or the password is missing or wrong."""


class Wait(Exception):
    """Too many have failed from here, or under this name: not before `seconds` have passed."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = max(1, math.ceil(seconds))

    def __str__(self) -> str:
        """For whoever has to wait."""
        return f"too many attempts have failed: try again in {self.seconds} s"


class Gate:
    """Turns what is presented into a Principal. Raises Denied or Wait."""

    def __init__(
        self, access: Access, logins: Logins, log: Log, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.access, self.logins = access, logins
        self._log, self._clock = log, monotonic
        self._attempts, self._verifier, self._throttle = Attempts(), Verifier(), Throttle(monotonic)
        self._key = secrets.token_bytes(32)
        self._at_home: OrderedDict[bytes, None] = OrderedDict()  # unguessable tokens by where they were right before
        self._pages: dict[str, set[Callable[[], None]]] = {}

    async def by_token(self, token: str | None, address: str) -> Principal:
        """Whoever presents this token: dashboard.token, or NAME~SECRET of a user."""
        if self.access.open:
            return ANYBODY
        if token is None:
            raise Denied
        name, _, secret = token.partition(hashing.SEPARATOR)
        return self.access.principal(await self._admit(name if secret else "", secret, token, address))

    async def by_password(self, name: str, password: str, address: str) -> Principal:
        """Whoever gives this name and password; without a name a token."""
        if not name:
            return await self.by_token(password, address)
        return self.access.principal(await self._admit(name, password, None, address))

    async def by_cookie(self, cookie: str | None) -> Principal:
        """Whoever has signed in. Raises redis errors."""
        async with asyncio.timeout(PATIENCE_S):
            login = await self.logins.find(cookie) if cookie else None
        if login is None:
            raise Denied
        return self.access.principal(login.user)

    async def _admit(self, name: str, secret: str, token: str | None, address: str) -> str:
        """The name of the user whose secret it is. `token`: the whole of it, where it may be dashboard.token."""
        if len(secret) + len(token or "") > 2 * hashing.MAX_SECRET:
            raise Denied
        mark = self._mark(neighbourhood(address), name, token or secret)
        trusted = mark in self._at_home
        limited = name if name in self.access.users else name[:64] and "?" + name[:64]
        if not trusted and (wait := self._attempts.wait(address, limited, self._clock())):
            self._tell("warning", "sign-in held back", name, address, wait_s=math.ceil(wait))
            raise Wait(wait)
        with nullcontext() if trusted else self._attempts.judging(address, limited):
            found = await self._whose(name, secret, token)
        if found is None:
            self._attempts.failed(address, limited, self._clock())
            self._tell("warning", "sign-in failed", name, address)
            raise Denied
        if not trusted:
            self._attempts.succeeded(address, found)
            self._tell("info", "came in", found, address, how="token" if token else "password")
            if len(token or secret) >= hashing.UNGUESSABLE:
                self._remember(mark)
        return found

    async def _whose(self, name: str, secret: str, token: str | None) -> str | None:
        if token is not None and self.access.token is not None and _same(self.access.token, token):
            return TOKEN
        user = self.access.users.get(name)
        if not secret or not self.access.users:
            return None
        # An unknown name takes as long as a known one.
        hash = user.hash if user else next(iter(self.access.users.values())).hash
        try:
            right = await self._verifier.matches(hash, secret)
        except Busy:
            raise Wait(BUSY_S) from None
        return name if right and user else None

    def _mark(self, place: str, name: str, secret: str) -> bytes:
        data = "\0".join((place, name, secret)).encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=32).digest()

    def _remember(self, mark: bytes) -> None:
        self._at_home[mark] = None
        if len(self._at_home) > REMEMBERED:
            self._at_home.popitem(last=False)

    def _tell(self, level: str, event: str, name: str, address: str, **facts: object) -> None:
        """A line a second of each kind; a name nobody has is not written down: it may be a mistyped password."""
        held = self._throttle.admit(event)
        if held is not None:
            known = name if name == TOKEN or name in self.access.users else "unknown"
            getattr(self._log, level)(event, user=known, address=address, held_back=held, **facts)

    # Pages that are open

    @contextmanager
    def watching(self, cookie: str, expel: Callable[[], None]) -> Iterator[None]:
        """Call `expel` when the cookie's login ends while this lasts."""
        mark = digest(cookie)
        self._pages.setdefault(mark, set()).add(expel)
        try:
            yield
        finally:
            self._pages[mark].discard(expel)
            if not self._pages[mark]:
                del self._pages[mark]

    async def sign_out(self, cookie: str) -> None:
        """End a login, and its pages here at once. Raises redis errors."""
        await self.logins.end(cookie)
        self._expel(digest(cookie))

    async def patrol(self) -> None:
        """For ever: end the pages whose logins have ended; the others count as used."""
        while True:
            await asyncio.sleep(PATROL_S)
            marks = list(self._pages)
            try:
                living = await self.logins.living(marks)
            except BUS_ERRORS:
                continue  # told by the hub; nobody is thrown out for it
            for mark in marks:
                if mark not in living:
                    self._expel(mark)

    def _expel(self, mark: str) -> None:
        for expel in list(self._pages.get(mark, ())):
            expel()


def _same(expected: str, given: str) -> bool:
    """Takes the same time wherever the two differ."""
    return hmac.compare_digest(
        hashlib.sha256(expected.encode("utf-8", "surrogatepass")).digest(),
        hashlib.sha256(given.encode("utf-8", "surrogatepass")).digest(),
    )
