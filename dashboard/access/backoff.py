"""How long whoever failed to sign in has to wait: per address and per name, longer each time. Pure; times are seconds.

The name's wait hinders guessing from many addresses; that nobody can keep a user out with it, it does not hold at
addresses from which the user has come in before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dashboard.limits import neighbourhood

FREE = 10  # failures before there is any wait
FIRST_S = 1.0
ADDRESS_MOST_S = 300.0
NAME_MOST_S = 60.0
FORGET_S = 900.0  # after the last failure
KEPT = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    checking: bool = False  # an attempt is being judged: what it costs is not known yet


class Backoff:
    """Failures by key; beyond `FREE` the wait doubles with each, up to `most_s`. Bounded: the oldest are forgotten."""

    def __init__(self, most_s: float) -> None:
        self._most_s = most_s
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """How long until the next attempt is allowed; 0: it is now."""
        known = self._failures.get(key)
        if known is None or known.count < FREE:
            return 0.0
        if known.checking:
            return FIRST_S
        span = min(self._most_s, FIRST_S * 2.0 ** min(known.count - FREE, 30))
        return max(0.0, known.last + span - now)

    @contextmanager
    def judging(self, key: str) -> Iterator[None]:
        """While an attempt is judged, which takes its time: beyond `FREE` failures others wait for what it costs."""
        known = self._failures.get(key)
        if known is None or known.count < FREE:
            yield
            return
        known.checking = True
        try:
            yield
        finally:
            known.checking = False

    def failed(self, key: str, now: float) -> None:
        """Count a failure."""
        known = self._failures.pop(key, None)
        count = known.count if known is not None and now - known.last < FORGET_S else 0
        self._failures[key] = _Failures(count + 1, now)
        if len(self._failures) > KEPT:
            self._failures.popitem(last=False)

    def clear(self, key: str) -> None:
        """Forget the failures."""
        self._failures.pop(key, None)


class Attempts:
    """The waits of addresses and names together."""

    def __init__(self) -> None:
        self._addresses, self._names = Backoff(ADDRESS_MOST_S), Backoff(NAME_MOST_S)
        self._at_home: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait(self, address: str, name: str, now: float) -> float:
        """How long until this address may try this name again; an empty name is none."""
        place = neighbourhood(address)
        by_name = 0.0 if not name or (place, name) in self._at_home else self._names.wait(name, now)
        return max(self._addresses.wait(place, now), by_name)

    @contextmanager
    def judging(self, address: str, name: str) -> Iterator[None]:
        """While an attempt that need not wait is judged."""
        with self._addresses.judging(neighbourhood(address)), self._names.judging(name):
            yield

    def failed(self, address: str, name: str, now: float) -> None:
        """Count a failure."""
        self._addresses.failed(neighbourhood(address), now)
        if name:
            self._names.failed(name, now)

    def succeeded(self, address: str, name: str) -> None:
        """The name is its owner's again. The address's failures stay: they may have been another's."""
        self._names.clear(name)
        self._at_home[neighbourhood(address), name] = None
        self._at_home.move_to_end((neighbourhood(address), name))
        if len(self._at_home) > KEPT:
            self._at_home.popitem(last=False)
