"""Checking secrets against hashes, which is slow on purpose, so that nobody can keep the machine busy with it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from dashboard.access import hashing

THREADS = 2  # 64 MiB and a core each
WAITING = 32  # more are turned away
REMEMBERED = 4096


class Busy(Exception):
    """Too many wait already."""


class Verifier:
    """Checks in threads, a few at a time; what was found right is remembered under a key of this process alone."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2")
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._checking: dict[bytes, asyncio.Future[bool]] = {}

    async def matches(self, hash: str, secret: str) -> bool:
        """Whether the hash is that of the secret. The same question asked by many at once is worked out once.

        Raises Busy.
        """
        mark = self._mark(hash, secret)
        if mark in self._right:
            self._right.move_to_end(mark)
            return True
        work = self._checking.get(mark)
        if work is None:
            if len(self._checking) >= THREADS + WAITING:
                raise Busy
            work = asyncio.get_running_loop().run_in_executor(self._pool, hashing.matches, hash, secret)
            self._checking[mark] = work
            work.add_done_callback(lambda _work: self._checking.pop(mark, None))
        right = await asyncio.shield(work)
        if right:
            self._right[mark] = None
            if len(self._right) > REMEMBERED:
                self._right.popitem(last=False)
        return right

    def _mark(self, hash: str, secret: str) -> bytes:
        data = hash.encode() + b"\0" + secret.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._key, digest_size=32).digest()
