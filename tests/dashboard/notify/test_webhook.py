"""Webhooks against a real HTTP server: signed, in order, tried again, never lost."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from dashboard.cursors import START
from dashboard.history import Entry
from dashboard.notify.channel import TryLater
from dashboard.notify.webhook import Webhook, retry_after
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed, alert_event
from tests.support.certificates import self_signed
from tests.support.receiver import Receiver
from tests.support.servers import end, wait_until
from wire.errors import ConfigError
from wire.settings import NotifySettings, WebhookSettings

Start = Callable[..., Running]
SECRET = "top-secret-key"


def hooks(receiver: Receiver, **changes: Any) -> NotifySettings:
    fields = {"url": SecretStr(receiver.url), "secret": SecretStr(SECRET), **changes}
    return NotifySettings(webhooks={"soc": WebhookSettings(**fields)})


def keys_of(receiver: Receiver) -> list[str]:
    return [headers["idempotency-key"] for headers, _ in receiver.taken]


def came(receiver: Receiver, count: int, timeout_s: float = 30) -> None:
    wait_until(lambda: len(receiver.taken) >= count, timeout_s, f"{count} deliveries, had {len(receiver.taken)}")


def test_the_message_of_the_protocol_signed(dashboard: Start, feed: Feed, receiver: Receiver, placed: Any) -> None:
    dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    cursor = feed.alert("a1", "new", "door")
    feed.alert("a1", "update", "door")
    feed.alert("a1", "end", "door")
    came(receiver, 2)
    headers, data = receiver.taken[0]
    message = json.loads(data)
    assert (message["type"], message["event"], message["cursor"]) == ("alert", "new", cursor)
    assert message["alert"]["camera"] == "door"
    assert json.loads(receiver.taken[1][1])["event"] == "end", "updates are left out unless asked for"
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["x-unmask-timestamp"]) - time.time()) < 30
    signed = f"{headers['x-unmask-timestamp']}.".encode() + data
    assert headers["x-unmask-signature"] == "sha256=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert len(set(keys_of(receiver))) == 2


def test_failures_are_tried_again_in_order_under_the_same_key(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    receiver.answers = [(503, {}), (429, {"retry-after": "1"}), (200, {})]
    feed.alert("a1")
    feed.alert("a2")
    came(receiver, 4)
    first, again, third, second = keys_of(receiver)
    assert first == again == third != second
    assert second.startswith("a2:new:")


def test_retry_after_is_heeded(dashboard: Start, feed: Feed, receiver: Receiver, placed: Any) -> None:
    dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    receiver.answers = [(429, {"retry-after": "2"})]
    feed.alert("a1")
    came(receiver, 2)
    assert receiver.times[1] - receiver.times[0] >= 1.9, "by itself it would try again after 1.2 s at most"


class Dripping:
    """A server that answers a header line every 50 ms without an end; or, `whole`, a head and an endless body."""

    def __init__(self, whole: bool) -> None:
        self._whole, self._closing = whole, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            with one:
                self._answer(one)

    def _answer(self, one: socket.socket) -> None:
        try:
            one.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n" + (b"\r\n" if self._whole else b""))
            while not self._closing.wait(0.05):
                one.sendall(b"x-more: yes\r\n")
        except OSError:
            pass

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def dripping() -> Iterator[Callable[[bool], Dripping]]:
    made: list[Dripping] = []

    def make(whole: bool) -> Dripping:
        made.append(Dripping(whole))
        return made[-1]

    yield make
    for one in made:
        one.close()


def post(url: str, timeout_s: float = 20) -> None:
    webhook = Webhook("webhook-soc", WebhookSettings(url=SecretStr(url), timeout_s=timeout_s))
    asyncio.run(webhook.deliver(Entry.of(START, alert_event())))


def test_an_answer_that_never_ends_is_ended(dripping: Callable[[bool], Dripping]) -> None:
    with pytest.raises(TryLater, match="no answer in time"):
        post(dripping(False).url, timeout_s=0.5)
    post(dripping(True).url)  # the head says it was taken; nobody reads the rest


def test_the_receivers_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path)
    receiver = Receiver((certificate, key))
    try:
        with pytest.raises(TryLater, match="certificate does not verify"):
            post(receiver.url)
        assert not receiver.taken
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        post(receiver.url)
        assert len(receiver.taken) == 1
    finally:
        receiver.close()


def test_no_log_line_of_a_library_holds_the_url(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.answers = [(500, {})]
    with caplog.at_level(logging.DEBUG), pytest.raises(TryLater) as caught:
        post(receiver.url.replace("/hook", "/services/T0PSECRET?key=hidden").replace("//", "//user:pa55word@"))
    assert receiver.taken
    for secret in ("T0PSECRET", "hidden", "pa55word"):
        assert secret not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://hidden@host/", "https://", "hidden", "http://[hidden", "https://host:99999/hidden"]
)
def test_an_url_that_is_none_is_said_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Webhook("webhook-soc", WebhookSettings(url=SecretStr(url)))
    assert "notify.webhooks.soc.url" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_what_is_refused_does_not_hold_up_the_next(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    one = dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    receiver.answers = [(410, {}), (302, {"location": receiver.url})]
    for id in ("a1", "a2", "a3"):
        feed.alert(id)
    came(receiver, 3)
    assert [key[:2] for key in keys_of(receiver)] == ["a1", "a2", "a3"]
    counted = lambda outcome: one.hub.metrics.notifications.labels("webhook-soc", outcome)._value.get()  # noqa: E731
    wait_until(lambda: counted("delivered") == 1, 15, "counted")
    assert counted("refused") == 2


def test_a_receiver_that_hangs_costs_its_own_channel_only(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    other = Receiver()
    try:
        hang = WebhookSettings(url=SecretStr(receiver.url), timeout_s=0.3, give_up_s=3.0)
        good = WebhookSettings(url=SecretStr(other.url))
        one = dashboard(notify=NotifySettings(webhooks={"hangs": hang, "good": good}))
        placed("webhook-hangs")
        placed("webhook-good")
        receiver.hang.set()
        feed.alert("a1")
        came(other, 1)
        came(receiver, 1)
        counted = one.hub.metrics.notifications.labels("webhook-hangs", "given-up")._value
        wait_until(lambda: counted.get() == 1, 20, "given up")
    finally:
        other.close()


def test_two_dashboards_deliver_each_event_once(dashboard: Start, feed: Feed, receiver: Receiver, placed: Any) -> None:
    for _ in range(2):
        dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    for number in range(30):
        feed.alert(f"a{number}")
    came(receiver, 30)
    assert [key.split(":")[0] for key in keys_of(receiver)] == [f"a{number}" for number in range(30)]


def test_when_one_dashboard_ends_the_other_goes_on(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    first = dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    feed.alert("a1")
    came(receiver, 1)
    dashboard(notify=hooks(receiver))
    first.stop()
    feed.alert("a2")
    came(receiver, 2)
    assert [key[:2] for key in keys_of(receiver)] == ["a1", "a2"]


@contextmanager
def process(redis_url: str, receiver: Receiver) -> Iterator[subprocess.Popen[bytes]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
    channel = {"soc": {"url": receiver.url.replace("//", "//user:pa55word@"), "secret": SECRET}}
    one = subprocess.Popen(
        [sys.executable, "-m", "dashboard"],
        env={**clean, "REDIS_URL": redis_url, "UNMASK_DASHBOARD__PORT": "0",
             "UNMASK_NOTIFY__WEBHOOKS": json.dumps(channel)},
        stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield one
    finally:
        end(one)
        assert one.stderr is not None
        one.stderr.close()


def test_killed_in_the_middle_it_is_delivered_by_the_next_under_the_same_key(
    redis_url: str, bus: redis.Redis, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    receiver.answers = [(503, {})] * 3
    with process(redis_url, receiver) as first:
        placed("webhook-soc")
        feed.alert("a1")
        came(receiver, 2)
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert first.stderr is not None
        logged = first.stderr.read()
    receiver.answers = []
    before = len(receiver.taken)
    with process(redis_url, receiver) as second:
        came(receiver, before + 1, 40)  # the lease of the dead one has to run out
        second.terminate()
        assert second.stderr is not None
        logged += second.stderr.read()
    assert len(set(keys_of(receiver))) == 1
    assert b"notification not delivered" in logged
    assert b"503" in logged
    assert b"pa55word" not in logged
    assert SECRET.encode() not in logged


def test_a_new_channel_does_not_begin_with_the_past(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    feed.alert("old")
    dashboard(notify=hooks(receiver))
    placed("webhook-soc")
    feed.alert("young")
    came(receiver, 1)
    assert keys_of(receiver)[0].startswith("young:")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", None), ("", None), (None, None), ("soon", None), ("99999999", 3600), ("-5", None),
     ("Wed, 21 Oct 2015 07:28:30 GMT", 30), ("Wed, 21 Oct 2015 07:27:00 GMT", None)],
)  # fmt: skip
def test_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, 1445412480.0) == seconds


def test_secrets_show_in_no_representation(receiver: Receiver) -> None:
    settings = hooks(receiver)
    assert SECRET not in repr(settings)
    assert receiver.url not in repr(settings)
