"""/ws/v1 as a program sees it: the greeting, mistakes, and how the server closes."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.dashboard.feed import Feed
from tests.dashboard.talk import Start, subscribe, talking


def test_welcome_carries_the_picture_and_its_cursor(dashboard: Start, feed: Feed) -> None:
    feed.camera("door", "unauthorised")
    feed.alert("ended", "new")
    feed.alert("ended", "end")
    cursor = feed.alert("open")
    one = dashboard(stale_after_s=60).synced()
    with talking(one) as talk:
        assert talk.welcome["cursor"] == cursor
        assert [alert["id"] for alert in talk.welcome["snapshot"]["alerts"]] == ["open"]
        assert talk.welcome["snapshot"]["cameras"][0]["verdict"] == "offline"


@pytest.mark.parametrize(
    ("first", "code", "error"),
    [
        ({"type": "ping"}, 4400, "expected-hello"),
        ({"type": "hello"}, 4400, "malformed"),
        ({"type": "hello", "version": 2}, 4406, "unsupported-version"),
        ({"type": "hello", "version": 1}, 4401, "unauthorised"),
        ({"type": "hello", "version": 1, "token": "wrong"}, 4401, "unauthorised"),
        ({"type": "hello", "version": 1, "token": "s3cre\u0165"}, 4401, "unauthorised"),
    ],
)
def test_a_bad_greeting_is_told_and_closed(dashboard: Start, first: dict[str, Any], code: int, error: str) -> None:
    one = dashboard(token="s3cret").synced()
    with talking(one, hello=False) as talk:
        talk.say(**first)
        assert talk.hear("error")["code"] == error
        assert talk.closed() == code


def test_the_right_token_is_let_in(dashboard: Start) -> None:
    with talking(dashboard(token="s3cret").synced()) as talk:
        assert talk.welcome["version"] == 1


def test_nobody_may_stay_without_a_hello(dashboard: Start) -> None:
    with talking(dashboard(hello_s=0.2), hello=False) as talk:
        assert talk.closed() == 4408


def test_mistakes_are_answered_and_only_many_of_them_close(dashboard: Start, feed: Feed) -> None:
    one = dashboard().synced()
    with talking(one) as talk:
        subscribe(talk)
        for text, code in [
            ("{", "malformed"),
            (b"\x00\xff", "malformed"),
            ('{"type":"dance"}', "unknown-type"),
            ('{"type":"hello","version":1}', "unexpected-hello"),
            ('{"type":"subscribe","id":"t","since":"yesterday"}', "bad-cursor"),
            ('{"type":"subscribe","id":"t","camera":"door"}', "malformed"),
        ]:
            talk.socket.send(text)
            assert talk.hear("error")["code"] == code
        feed.alert("x")
        assert talk.hear("alert")["alert"]["id"] == "x"
        for _ in range(10):
            talk.socket.send("{")
        assert talk.closed() == 4429


def test_an_error_names_the_subscription_it_belongs_to(dashboard: Start) -> None:
    with talking(dashboard().synced()) as talk:
        for text, id in [
            ('{"type":"subscribe","id":"a","camera":"door"}', "a"),
            ('{"type":"subscribe","id":"b","since":"yesterday"}', "b"),
            ('{"type":"unsubscribe","id":"c"}', "c"),
            ('{"type":"subscribe","topics":["alerts"]}', ""),
        ]:
            talk.socket.send(text)
            assert talk.hear("error")["id"] == id


def test_too_many_subscriptions(dashboard: Start) -> None:
    with talking(dashboard().synced()) as talk:
        for number in range(17):
            talk.say(type="subscribe", id=str(number))
        for _ in range(16):
            talk.hear("subscribed")
        assert talk.hear("error")["code"] == "too-many-subscriptions"


def test_a_message_too_large_is_refused(dashboard: Start) -> None:
    with talking(dashboard().synced()) as talk:
        talk.socket.send("x" * 70_000)
        assert talk.closed() == 1009


def test_a_page_of_another_site_may_not_subscribe(dashboard: Start) -> None:
    one = dashboard()
    with pytest.raises(InvalidStatus) as caught, connect(one.ws, origin="https://evil.example"):  # type: ignore[arg-type]
        pass
    assert caught.value.response.status_code == 403
    with talking(one, origin=one.http) as talk:
        assert talk.welcome
    other = dashboard(allowed_origins=("https://intranet.example",))
    with talking(other, origin="https://intranet.example") as talk:
        assert talk.welcome
    with pytest.raises(InvalidStatus), connect(other.ws, origin="http://intranet.example"):  # type: ignore[arg-type]
        pass


def test_strange_hosts_get_no_socket(dashboard: Start) -> None:
    one = dashboard()
    door = socket.create_connection(("127.0.0.1", one.port))
    with pytest.raises(InvalidStatus) as caught, connect("ws://evil.example/ws/v1", sock=door):
        pass
    assert caught.value.response.status_code == 421
