"""POSTs alert events to an HTTP receiver: signed, with an idempotency key, never following a redirect."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from dashboard.history import Entry
from dashboard.notify.channel import Refused, TryLater, passes
from wire.messages import AlertEvent
from wire.settings import WebhookSettings

AGAIN = {408, 425, 429}  # as every 5xx; any other 4xx will be the same next time
LONGEST_WAIT_S = 3600.0
TEST_BODY = b'{"type":"test","message":"a test message of Unmask"}'


class Webhook:
    """One receiver. The body is the alert message of `/ws/v1`."""

    kind = "webhook"

    def __init__(self, name: str, settings: WebhookSettings, clock: Callable[[], float] = time.time) -> None:
        self.name, self.give_up_s = name, settings.give_up_s
        self._settings, self._clock = settings, clock

    def wants(self, event: AlertEvent) -> bool:
        """See Channel."""
        return passes(self._settings, self._settings.events, event)

    async def deliver(self, entry: Entry) -> None:
        """See Channel."""
        await self._post(entry.text.encode(), idempotency_key(entry))

    async def test(self) -> None:
        """See Channel."""
        await self._post(TEST_BODY, f"test-{self._clock():.3f}")

    async def _post(self, data: bytes, key: str) -> None:
        headers = {
            "content-type": "application/json", "user-agent": "unmask", "idempotency-key": key,
            **self._signature(data),
        }  # fmt: skip
        try:
            async with httpx.AsyncClient(timeout=self._settings.timeout_s, follow_redirects=False) as client:
                answer = await client.post(self._settings.url.get_secret_value(), content=data, headers=headers)
        except httpx.InvalidURL:
            raise Refused("the url is none") from None
        except httpx.HTTPError as error:
            raise TryLater(_reason(error)) from None
        if answer.is_success:
            return
        said = f"answered {answer.status_code} {HTTPStatus(answer.status_code).phrase}" if _known(answer) else "no HTTP"
        if answer.status_code in AGAIN or answer.is_server_error:
            raise TryLater(said, retry_after(answer.headers.get("retry-after"), self._clock()))
        raise Refused(said + (" (redirects are not followed)" if answer.is_redirect else ""))

    def _signature(self, data: bytes) -> dict[str, str]:
        stamp = str(int(self._clock()))
        if self._settings.secret is None:
            return {"x-unmask-timestamp": stamp}
        secret = self._settings.secret.get_secret_value().encode()
        return {"x-unmask-timestamp": stamp, "x-unmask-signature": sign(secret, stamp, data)}


def sign(secret: bytes, timestamp: str, data: bytes) -> str:
    """`sha256=` and the hex HMAC-SHA256 (RFC 2104) of timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + data, hashlib.sha256).hexdigest()


def idempotency_key(entry: Entry) -> str:
    """The same for every delivery of one event, and for no other event."""
    return f"{entry.event.alert.id}:{entry.event.event}:{entry.cursor[0]}-{entry.cursor[1]}"


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header (RFC 9110, 10.2.3) asks for; None where it asks for nothing one can read."""
    if not text:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else parsedate_to_datetime(text).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S) or None


def _known(answer: httpx.Response) -> bool:
    return answer.status_code in HTTPStatus._value2member_map_


def _reason(error: httpx.HTTPError) -> str:
    """Why, without the url: httpx' own texts may quote it."""
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "can't be reached"
    if isinstance(error, httpx.UnsupportedProtocol):
        return "not an http(s):// url"
    return type(error).__name__
