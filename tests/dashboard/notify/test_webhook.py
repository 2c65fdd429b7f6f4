"""Webhooks against a real HTTP server: signed, in order, tried again, never lost."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from dashboard.notify.webhook import retry_after
from tests.dashboard.conftest import Running
from tests.dashboard.feed import Feed
from tests.support.receiver import Receiver
from tests.support.servers import end, wait_until
from wire.settings import NotifySettings, WebhookSettings

Start = Callable[..., Running]
SECRET = "top-secret-key"


def hooks(receiver: Receiver, **changes: Any) -> NotifySettings:
    fields = {"url": SecretStr(receiver.url), "secret": SecretStr(SECRET), **changes}
    return NotifySettings(webhooks={"soc": WebhookSettings(**fields)})


def keys_of(receiver: Receiver) -> list[str]:
    return [headers["idempotency-key"] for headers, _ in receiver.taken]


def came(receiver: Receiver, count: int, timeout_s: float = 10) -> None:
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
    wait_until(lambda: counted("delivered") == 1, 5, "counted")
    assert counted("refused") == 2


def test_a_receiver_that_hangs_costs_its_own_channel_only(
    dashboard: Start, feed: Feed, receiver: Receiver, placed: Any
) -> None:
    other = Receiver()
    try:
        hang = WebhookSettings(url=SecretStr(receiver.url), timeout_s=0.3, give_up_s=1.0)
        good = WebhookSettings(url=SecretStr(other.url))
        one = dashboard(notify=NotifySettings(webhooks={"hangs": hang, "good": good}))
        placed("webhook-hangs")
        placed("webhook-good")
        receiver.hang.set()
        feed.alert("a1")
        came(other, 1)
        came(receiver, 1)
        counted = one.hub.metrics.notifications.labels("webhook-hangs", "given-up")._value
        wait_until(lambda: counted.get() == 1, 10, "given up")
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
        came(receiver, before + 1, 20)  # the lease of the dead one has to run out
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
