"""Credentials in any place of a text are masked; the rest stays."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from wire import redact as redact_module
from wire import settings
from wire.errors import ConfigError
from wire.redact import MASK, redact


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact_module, "_known", redact_module._Known())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://alice:s3cret@10.0.0.1:554/x", "rtsp://***@10.0.0.1:554/x"),
        ("rtsp://alice@10.0.0.1/x", "rtsp://***@10.0.0.1/x"),
        ("rtsp://10.0.0.1:554/x", "rtsp://10.0.0.1:554/x"),
        ("can't open 'rtsps://a:b@h/': timeout", "can't open 'rtsps://***@h/': timeout"),
        ("rtsp://a:p@ss@h/x", "rtsp://***@h/x"),
        ("rtsp://a:p/s#s@h/x", "rtsp://***@h/x"),
        ("redis://:pw@h:6379/0 and rtsp://c:d@i/", "redis://***@h:6379/0 and rtsp://***@i/"),
        ("http://h/video?user=a&password=b&x=1", "http://h/video?user=***&password=***&x=1"),
        ("srt://h:1?mode=caller&passphrase=0123456789", "srt://h:1?mode=caller&passphrase=***"),
        ("srt://h:1?streamid=#!::u=me,s=s3cret", "srt://h:1?streamid=***"),
        ("http://h/x?password=s3#cret&x=1", "http://h/x?password=***&x=1"),
        ("https://h/x.m3u8?access_token=a&api_key=b", "https://h/x.m3u8?access_token=***&api_key=***"),
        ("https://h/x?X-Amz-Signature=a&n=2;loginpas=b", "https://h/x?X-Amz-Signature=***&n=2;loginpas=***"),
        ("rtsp://h/user=a&password=b&channel=1", "rtsp://h/user=***&password=***&channel=1"),
        ("rtsp://h/user=a_password=b_channel=1.sdp", "rtsp://h/user=***"),
        ("rtsp://h/keys/users?monkeys=1&author=x", "rtsp://h/keys/users?monkeys=1&author=x"),
        ("rtsp://a:b?token=c@h/x", "rtsp://***@h/x"),
        ("rtsp://a:b'c@h/x", "rtsp://***@h/x"),
        ("x://a://u'v@h", "x://***@h"),
        ("nothing here, mail me@example.org", "nothing here, mail me@example.org"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_what_was_remembered_is_masked_wherever_it_stands() -> None:
    redact_module.remember_url("rtsp://admin:caf%C3%A9-d00r%40@h/x?passphrase=another-one&a=b")
    for text in (
        "user admin, password café-d00r@!",
        "caf%C3%A9-d00r%40",
        "another-one",
        base64.b64encode("café-d00r@".encode()).decode(),
        "Authorization: Basic " + base64.b64encode("admin:café-d00r@".encode()).decode(),
    ):
        shown = redact(text)
        assert MASK in shown
        assert not {"d00r", "another-one"} & set(shown.replace("@", " ").split())
        assert "d00r" not in shown
    assert redact("a camera at h, path x, b") == "a camera at h, path x, b"


def test_secrets_of_a_path_and_under_longer_names_are_remembered() -> None:
    redact_module.remember_url("rtsp://h/user=admin&password=d00r-bell&channel=1")
    redact_module.remember_url("https://h/x.m3u8?quality=1080p-high&access_toke%6e=d00r%2Fplate#d00r-mat")
    redact_module.remember_url("srt://h:1?streamid=#!::u=me,s=d00r-frame")
    redact_module.remember_url("http://h/x?key=a/d00r+bell==")
    shown = redact("a/d00r+bell== a/d00r bell== d00r-bell d00r/plate#d00r-mat #!::u=me,s=d00r-frame")
    assert "d00r" not in shown
    assert redact("1080p-high") == "1080p-high"


def test_of_secrets_that_change_the_newest_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact_module, "PASSING", 8)
    redact_module.remember("this-one-stays")
    for number in range(20):
        redact_module.remember_url(f"rtsp://h/x?token=passing-{number:03}", passing=True)
    assert redact("this-one-stays passing-019") == "*** ***"
    assert redact("passing-000") == "passing-000"
    assert len(redact_module._known._passing) == 8


def test_a_short_or_common_word_is_not_masked() -> None:
    redact_module.remember("door")
    redact_module.remember_url("json://user:long-enough@host.example/hook/T0KEN1234", whole=True)
    assert redact("the door, a hook at host.example") == "the door, a hook at host.example"
    assert redact("T0KEN1234 long-enough") == "*** ***"


@pytest.mark.parametrize("text", ["Basic YWxpY2U6czNjcmV0", "Bearer abcdefgh123", "Digest 0123456789abcdef"])
def test_authorization_headers(text: str) -> None:
    assert redact(f"sent {text} to it") == f"sent {text.split()[0]} *** to it"


def test_yaml_errors_do_not_quote(tmp_path: Path) -> None:
    file = tmp_path / "unmask.yaml"
    for text in (
        "token: *hunter2x",
        "token: !hunter2x a",
        "a: &hunter2x b\nc: &hunter2x d",
        "a: '\\hunter2x",
        'a: "\\q hunter2x"',
    ):
        file.write_text(text)
        with pytest.raises(ConfigError) as caught:
            settings.load(file)
        assert "hunter2x" not in str(caught.value)
