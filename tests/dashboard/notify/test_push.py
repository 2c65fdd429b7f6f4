"""Apprise against a real HTTP receiver and a real mail server."""

from __future__ import annotations

import asyncio
import base64
import email
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import redis
from aiosmtpd.controller import Controller
from pydantic import SecretStr

from dashboard.cursors import START
from dashboard.history import Entry
from dashboard.notify import push as push_module
from dashboard.notify.channel import TryLater
from dashboard.notify.push import Push
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed, alert_event
from tests.support.receiver import Receiver
from tests.support.servers import free_port, wait_until
from wire.errors import ConfigError
from wire.evidence import EvidenceStore
from wire.keys import Keys
from wire.messages import Explanation
from wire.settings import AlertSettings, AppriseSettings, NotifySettings

Start = Callable[..., Running]
SHEET = bytes(cv2.imencode(".jpg", np.full((60, 80, 3), 90, np.uint8))[1].tobytes())


class Mailbox:
    """Keeps what is mailed."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 OK"


@pytest.fixture
def mail() -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def explain(bus: redis.Redis, keys: Keys, alert: str) -> None:
    message = Explanation(
        alert=alert, frame_scores=(0.9,), peak=0, grid=((1.0,),), heat=b"", sheet=SHEET, camera=None,
    )  # fmt: skip
    EvidenceStore(keys, AlertSettings()).put(bus, message, 1.0)


def test_a_push_with_the_contact_sheet(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any, bus: redis.Redis, keys: Keys
) -> None:
    url = SecretStr(receiver.url.replace("http://", "json://"))
    dashboard(notify=NotifySettings(apprise={"phone": AppriseSettings(url=url)}), public_url="https://unmask.example")
    placed("apprise-phone")
    feed.evidence("a1", [b"jpeg"])
    feed.alert("a1")
    explain(bus, keys, "a1")  # some moments after the alert, as the worker does
    feed.alert("a1", "end")
    wait_until(lambda: receiver.taken, 30, "a push")
    message = json.loads(receiver.taken[0][1])
    assert message["title"] == "Possible deepfake on door (critical)"
    assert "https://unmask.example/#/alert/a1" in message["message"]
    (attached,) = message["attachments"]
    assert base64.b64decode(attached["base64"]) == SHEET
    assert len(receiver.taken) == 1, "ends are left out unless asked for"


def test_a_mail(dashboard: Start, feed: Feed, mail: tuple[Mailbox, int], placed: Any) -> None:
    box, port = mail
    url = SecretStr(f"mailto://127.0.0.1:{port}?from=unmask@example.org&to=night@example.org&mode=insecure")
    dashboard(notify=NotifySettings(apprise={"night": AppriseSettings(url=url, sheet=False)}))
    placed("apprise-night")
    feed.alert("a1", camera="yard", kind="offline", severity="warning", score=None, peak=None, mean=None,
               threshold=None, model="", detail="the camera does not answer")  # fmt: skip
    wait_until(lambda: box.mails, 30, "a mail")
    message = email.message_from_bytes(box.mails[0])
    assert message["subject"] == "Camera offline on yard (warning)"
    assert message["to"] == "night@example.org"
    bodies = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
    assert any(b"the camera does not answer" in bytes(body) for body in bodies if isinstance(body, bytes))


def test_a_service_that_fails_is_tried_later_and_tells_no_secret(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "s3cr3t-t0ken"
    settings = AppriseSettings(url=SecretStr(receiver.url.replace("http://", f"json://user:{secret}@")))
    push = Push("apprise-x", settings)
    receiver.answers = [(500, {})]
    with caplog.at_level(logging.DEBUG), pytest.raises(TryLater) as caught:
        asyncio.run(push.deliver(Entry.of(START, alert_event())))
    assert receiver.taken
    said = capsys.readouterr()
    for text in (repr(settings), str(caught.value), caplog.text, said.out, said.err, repr(push.__dict__["_settings"])):
        assert secret not in text


def test_why_it_failed_is_said_and_a_token_in_the_path_is_not(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    url = receiver.url.replace("http://", "json://").replace("/hook", "/services/T0PSECRET?:key=hidden1")
    receiver.answers = [(403, {})]
    with caplog.at_level(logging.DEBUG), pytest.raises(TryLater, match="403") as caught:
        asyncio.run(Push("apprise-x", AppriseSettings(url=SecretStr(url))).test())
    assert receiver.taken
    for secret in ("T0PSECRET", "hidden1"):
        assert secret not in caplog.text + str(caught.value)


def test_a_service_that_hangs_is_left(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "PATIENCE_S", 0.3)
    receiver.hang.set()
    url = receiver.url.replace("http://", "json://") + "?rto=30"
    with pytest.raises(TryLater, match="no answer in time"):
        asyncio.run(Push("apprise-x", AppriseSettings(url=SecretStr(url))).test())
    receiver.close()  # lets the abandoned thread go


def test_an_url_that_is_none_is_said_without_showing_it() -> None:
    with pytest.raises(ConfigError) as caught:
        Push("apprise-phone", AppriseSettings(url=SecretStr("nosuch://user:hidden@host")))
    assert "notify.apprise.phone.url" in str(caught.value)
    assert "hidden" not in str(caught.value)
