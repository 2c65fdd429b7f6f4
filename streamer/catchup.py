"""What to do about being late with a live picture, so that what is looked at is the present one. Pure."""

from __future__ import annotations

from enum import Enum, auto

LEAVE_S = 3.0  # long enough for a window where half of the frames can be managed; less than what counts as stale


class Do(Enum):
    """What becomes of a packet."""

    DECODE = auto()
    LEAVE = auto()
    RESUME = auto()  # decode it, and it is the first after a gap


class CatchUp:
    """Late by LEAVE_S, packets are left undecoded up to the newest, which is where they have to be waited for again,
    and from there to the next key frame.

    A picture that is missing for a group of pictures is better than all of them old; decoding what is not looked at, to
    catch up, took more than half of the time of a machine with too much to do.
    """

    EDGE_S = 0.2  # of waiting altogether; packets that lie there take none
    MOST_S = 10.0  # without a key frame

    def __init__(self) -> None:
        self.leaving_since: float | None = None
        self._waited = 0.0

    def frame(self, lag: float, kept_up: bool, now: float) -> None:
        """A frame `lag` seconds old; `kept_up`: it was waited for, so that there is nothing to be left."""
        if lag > LEAVE_S and not kept_up:
            self.leaving_since, self._waited = now, 0.0

    def packet(self, key: bool, waited_s: float) -> Do:
        """What to do with the next packet, `key` where a key frame is in it."""
        if self.leaving_since is None:
            return Do.DECODE
        self._waited += waited_s
        if not key or self._waited < self.EDGE_S:
            return Do.LEAVE
        self.leaving_since = None
        return Do.RESUME

    def stuck(self, now: float) -> bool:
        """Whether no key frame has come for so long that connecting anew is quicker."""
        return self.leaving_since is not None and now - self.leaving_since > self.MOST_S
