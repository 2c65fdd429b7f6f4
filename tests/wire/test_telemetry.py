"""Logs carry no credentials and no floods."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress

import pytest

from wire import telemetry
from wire.settings import TelemetrySettings


def test_a_line_is_json_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    log = telemetry.setup(TelemetrySettings(log_format="json"), "streamer")
    log.warning("lost rtsp://a:b@h/", camera="lobby", source="rtsp://alice:s3cret@h/x")
    line = json.loads(capsys.readouterr().err)
    assert line["service"] == "streamer"
    assert line["source"] == "rtsp://***@h/x"
    assert line["event"] == "lost rtsp://***@h/"


def test_an_exception_in_a_log_line_is_redacted(capsys: pytest.CaptureFixture[str]) -> None:
    log = telemetry.setup(TelemetrySettings(log_format="json"), "streamer")
    try:
        raise ValueError("rtsp://alice:s3cret@h/x")
    except ValueError:
        log.exception("failed")
    assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize("lost", ["disk", "reader", "closed"])
def test_a_line_that_can_not_be_written_ends_nobody(lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, a pipe whose reader went away, a file that was closed."""
    number = os.open("/dev/full", os.O_WRONLY)
    if lost == "reader":
        read, number = os.pipe()
        os.close(read)
    file = os.fdopen(number, "w")
    if lost == "closed":
        file.close()
    monkeypatch.setattr(sys, "stderr", file)
    log = telemetry.setup(TelemetrySettings(log_format="json"), "streamer")
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("failed")
    log.bind(camera="lobby").warning("lost")
    with suppress(OSError):
        file.close()


def test_throttle_lets_one_through_a_second_and_counts_the_rest() -> None:
    now = 100.0
    throttle = telemetry.Throttle(lambda: now)
    assert [throttle.admit("a"), throttle.admit("a"), throttle.admit("b"), throttle.admit("a")] == [0, None, 0, None]
    now = 101.0
    assert throttle.admit("a") == 2
    now = 99.0  # a clock that stepped back must not silence the log for ever
    assert throttle.admit("a") == 0


def test_throttle_forgets_the_oldest_of_countless_causes() -> None:
    throttle = telemetry.Throttle(lambda: 100.0)
    assert throttle.admit("first") == 0
    assert throttle.admit("first") is None
    for number in range(telemetry.CAUSES):
        throttle.admit(str(number))
    assert throttle.admit("first") == 0
    assert throttle.admit(str(number)) is None
    assert len(throttle._last) == telemetry.CAUSES
