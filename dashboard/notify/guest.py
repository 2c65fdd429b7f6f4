"""The process in which a notifier of the operator's own works: python -m dashboard.notify.guest."""

from __future__ import annotations

import json
from typing import Literal

import msgspec

from wire.guest import Handler, serve
from wire.plugins import Notifier, Refused, TryLater


class Told(msgspec.Struct, frozen=True):
    """What the receiver did with one event."""

    outcome: Literal["delivered", "later", "refused"] = "delivered"
    reason: str = ""
    wait_s: float | None = None


def handler(notifier: Notifier) -> Handler:
    """What hands JSON messages to the notifier, and answers with a Told."""

    def answer(request: bytes) -> bytes:
        return msgspec.msgpack.encode(_told(notifier, request))

    return answer


def _told(notifier: Notifier, request: bytes) -> Told:
    try:
        notifier.notify(json.loads(request))
    except TryLater as later:
        return Told("later", later.reason, later.wait_s)
    except Refused as refused:
        return Told("refused", refused.reason)
    return Told()


if __name__ == "__main__":
    serve("notifier", handler)
