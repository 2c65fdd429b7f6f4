"""Credentials in any place of a text are masked; the rest stays."""

from __future__ import annotations

import pytest

from wire.redact import redact


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
        ("rtsp://a:b?token=c@h/x", "rtsp://***@h/x"),
        ("rtsp://a:b'c@h/x", "rtsp://***@h/x"),
        ("x://a://u'v@h", "x://***@h"),
        ("nothing here, mail me@example.org", "nothing here, mail me@example.org"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected
