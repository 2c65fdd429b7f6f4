"""Mail, chat and push through Apprise, which knows the services; their urls are secrets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import apprise
from apprise import AppriseResultStatus, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory

from dashboard.history import Entry
from dashboard.notify import words
from dashboard.notify.channel import TryLater, passes
from dashboard.notify.masking import mask
from dashboard.spaces import Spaces, in_time
from wire import evidence
from wire.errors import ConfigError
from wire.messages import FACES, AlertEvent, Explanation
from wire.settings import AppriseSettings

SHEET_TRIES, SHEET_PAUSE_S = 8, 1.0  # the worker makes it some seconds after the alert opened
PATIENCE_S = 30.0  # then a service counts as silent
# Their own lines may quote urls: Apprise's are read in its results, the others' are not wanted.
logging.getLogger("apprise").setLevel(logging.WARNING)
logging.getLogger("apprise").propagate = False
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Push:
    """One Apprise url. Raises ConfigError where Apprise knows no such service."""

    kind = "apprise"

    def __init__(
        self,
        name: str,
        settings: AppriseSettings,
        spaces: Spaces | None = None,
        caveat: Callable[[], str] = lambda: "",
        public_url: str | None = None,
    ) -> None:
        self.name, self.give_up_s = name, settings.give_up_s
        self._settings, self._spaces = settings, spaces
        self._caveat, self._public_url = caveat, public_url
        self._apprise = apprise.Apprise()
        if not self._apprise.add(settings.url.get_secret_value()):
            raise ConfigError(
                "configuration",
                f"notify.apprise.{name.removeprefix('apprise-')}.url",
                "Apprise knows no such service, or it lacks a part",
                "correct the Apprise url (docs/notifications.md)",
            )

    def wants(self, event: AlertEvent) -> bool:
        """See Channel."""
        return passes(self._settings, self._settings.events, event)

    async def deliver(self, entry: Entry) -> None:
        """See Channel."""
        event = entry.event
        text = words.body(event, self._caveat(), self._public_url)
        await self._send(words.title(event), text, await self._sheet(event), _type(event))

    async def test(self) -> None:
        """See Channel."""
        await self._send("Unmask: a test", "This is a test message of Unmask. Nothing happened.", None, NotifyType.INFO)

    async def _send(self, title: str, text: str, sheet: bytes | None, kind: NotifyType) -> None:
        attach: Any = None
        if sheet is not None:
            picture = AttachMemory(sheet, name="faces.jpg", mimetype="image/jpeg")  # type: ignore[no-untyped-call]
            attach = apprise.AppriseAttachment(picture)
        try:
            result = await asyncio.to_thread(
                self._apprise.notify, text, title=title, notify_type=kind, body_format=NotifyFormat.TEXT,
                attach=attach, timeout=PATIENCE_S,
            )  # fmt: skip
        except Exception as error:  # a plugin's bug; its text may quote the url
            raise TryLater(f"Apprise failed ({type(error).__name__})") from None
        if result.status is AppriseResultStatus.TIMEOUT:
            raise TryLater("no answer in time")
        if not result:
            said = [entry.message for entry in result.logs()]
            cause = mask(said[-1], self._settings.url.get_secret_value()) if said else ""
            raise TryLater(f"the service did not take it ({cause})" if cause else "the service did not take it")

    async def _sheet(self, event: AlertEvent) -> bytes | None:
        """The contact sheet of a face's alert; waited for a little where the alert is new."""
        if not self._settings.sheet or self._spaces is None or event.alert.kind not in FACES:
            return None
        space = self._spaces.camera(event.alert.camera)
        for _ in range(SHEET_TRIES if event.event == "new" else 1):
            kept: Any = partial(space.bus.hgetall, space.keys.evidence(event.alert.id))
            if isinstance(parts := await in_time(kept), Exception):
                return None
            if found := evidence.read(parts, Explanation):
                return found.sheet
            await asyncio.sleep(SHEET_PAUSE_S)
        return None


def _type(event: AlertEvent) -> NotifyType:
    """The colour a service shows it in."""
    if event.event not in ("new", "update"):
        return NotifyType.INFO
    return NotifyType.FAILURE if event.alert.severity == "critical" else NotifyType.WARNING
