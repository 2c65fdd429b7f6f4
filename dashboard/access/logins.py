"""Browsers that have signed in: a random cookie, and what Redis keeps of it under its digest.

Who reads Redis gets neither a cookie nor anything to guess a password by: the proof is keyed by the cookie's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import redis.asyncio

from dashboard.access.users import Access
from wire.keys import Keys
from wire.messages import Login

RENEW_SHARE = 0.9  # the idle time begins anew once this share of it or less is left
MAX_COOKIE = 64


class Logins:
    """Begins, finds and ends them. Times are seconds, the clock is Unix time. All methods raise redis errors."""

    def __init__(
        self,
        bus: redis.asyncio.Redis,
        keys: Keys,
        access: Access,
        idle_s: float,
        most_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus, self._keys, self._access, self._clock = bus, keys, access, clock
        self._idle_s, self.most_s = idle_s, most_s

    async def begin(self, user: str) -> str:
        """The cookie of a new login of a user whose credential was right."""
        cookie = secrets.token_urlsafe(32)
        credential = self._access.credential(user)
        assert credential is not None
        login = Login(user=user, proof=_proof(cookie, credential), began=self._clock())
        left = min(self._idle_s, self.most_s)
        await self._bus.set(self._keys.login(digest(cookie)), login.encode(), px=_ms(left))
        return cookie

    async def find(self, cookie: str) -> Login | None:
        """The login of a cookie that is still good; it counts as used."""
        if len(cookie) > MAX_COOKIE:
            return None
        key = self._keys.login(digest(cookie))
        pipe = self._bus.pipeline(transaction=False)
        pipe.get(key)
        pipe.pttl(key)
        data, left_ms = await pipe.execute()
        login = Login.read(data)
        if login is None or not self._proven(cookie, login):
            return None
        await self._renew(key, login, left_ms / 1000)
        return login

    async def end(self, cookie: str) -> None:
        """Sign out: at every dashboard, at once where no WebSocket is open."""
        await self._bus.delete(self._keys.login(digest(cookie)))

    async def living(self, digests: Sequence[str]) -> set[str]:
        """Which of these logins are still good; their pages are open, so they count as used."""
        if not digests:
            return set()
        pipe = self._bus.pipeline(transaction=False)
        for one in digests:
            pipe.get(self._keys.login(one))
            pipe.pttl(self._keys.login(one))
        answers: list[Any] = await pipe.execute()
        found: set[str] = set()
        for one, data, left_ms in zip(digests, answers[::2], answers[1::2], strict=True):
            if login := Login.read(data):
                found.add(one)
                await self._renew(self._keys.login(one), login, left_ms / 1000)
        return found

    def _proven(self, cookie: str, login: Login) -> bool:
        """Whether the user is still configured, with the same credential."""
        credential = self._access.credential(login.user)
        return credential is not None and hmac.compare_digest(_proof(cookie, credential), login.proof)

    async def _renew(self, key: str, login: Login, left_s: float) -> None:
        """Let the idle time begin anew, within what is left of all; a login that was ended meanwhile stays ended."""
        until_most = self.most_s - max(0.0, self._clock() - login.began)
        wanted = min(self._idle_s, until_most)
        if wanted <= 0:
            await self._bus.delete(key)
        elif left_s < wanted * RENEW_SHARE:
            await self._bus.pexpire(key, _ms(wanted))


def digest(cookie: str) -> str:
    """What a cookie is kept by."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).hexdigest()


def _proof(cookie: str, credential: str) -> bytes:
    key = hashlib.sha256(b"proof\0" + cookie.encode("utf-8", "surrogatepass")).digest()
    return hashlib.blake2b(credential.encode("utf-8", "surrogatepass"), key=key, digest_size=32).digest()


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
