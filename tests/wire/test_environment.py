"""Secrets by file: for every setting, REDIS_URL and every ${NAME}; what is wrong is said without the content."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wire import environment
from wire.errors import ConfigError
from wire.settings import load

SECRET = "hunter2-in-a-file"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDIS_URL", raising=False)
    path = tmp_path / "secret"
    path.write_text(SECRET + "\n")
    return path


def test_a_variable_or_its_file() -> None:
    assert environment.value("A", {"A": "x"}) == "x"
    assert environment.value("A", {}) is None
    assert environment.value("A", {"A": "x", "A_FILE": ""}) == "x", "compose sets what is left out to nothing"


def test_the_end_of_the_line_is_taken_off_and_nothing_else(secret: Path) -> None:
    secret.write_bytes(b" two words \r\n")
    assert environment.value("A", {"A": "", "A_FILE": str(secret)}) == " two words "


def test_every_secret_of_the_settings_may_stand_in_a_file(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = secret.with_name("redis")
    redis.write_text("redis://:pw@bus:6379/0")
    monkeypatch.setenv("UNMASK_DASHBOARD__TOKEN_FILE", str(secret))
    monkeypatch.setenv("REDIS_URL_FILE", str(redis))
    monkeypatch.setenv("CAMERA_PASSWORD_FILE", str(secret))
    monkeypatch.setenv("UNMASK_NOTIFY__MQTT__URL_FILE", str(redis))
    config = secret.with_name("cameras.yaml")
    config.write_text(
        "cameras: {a: {url: 'rtsp://u:${CAMERA_PASSWORD}@h/'}}\n"
        "notify: {webhooks: {hook: {url: 'http://h/', secret: '${CAMERA_PASSWORD}'}}}"
    )
    settings = load(config)
    assert settings.dashboard.token
    assert settings.dashboard.token.get_secret_value() == SECRET
    assert settings.redis.url == "redis://:pw@bus:6379/0"
    assert settings.cameras["a"].url == f"rtsp://u:{SECRET}@h/"
    hook, mqtt = settings.notify.webhooks["hook"], settings.notify.mqtt
    assert hook.secret
    assert hook.secret.get_secret_value() == SECRET
    assert mqtt.url
    assert mqtt.url.get_secret_value() == "redis://:pw@bus:6379/0"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), r"UNMASK_DASHBOARD__TOKEN_FILE: \S+secret can't be read \(No such file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "no UTF-8 text"),
        (lambda path: path.write_bytes(SECRET.encode() * 10_000), "longer than 65536 bytes"),
    ],
)
def test_a_file_that_is_no_good_is_said_in_one_line(secret: Path, monkeypatch, change, said: str) -> None:  # type: ignore[no-untyped-def]
    change(secret)
    monkeypatch.setenv("UNMASK_DASHBOARD__TOKEN_FILE", str(secret))
    with pytest.raises(ConfigError) as caught:
        load()
    line = str(caught.value)
    assert re.search(said, line)
    assert SECRET not in line
    assert "\n" not in line


def test_both_is_refused_rather_than_guessed(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
    monkeypatch.setenv("REDIS_URL_FILE", str(secret))
    with pytest.raises(ConfigError, match="both REDIS_URL and REDIS_URL_FILE are set"):
        load()


def test_a_misspelt_one_is_an_unknown_key_as_ever(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_DASHBOARD__TOKN_FILE", str(secret))
    with pytest.raises(ConfigError, match="did you mean 'token'"):
        load()


def test_watch_reads_its_token_from_a_file_too(secret: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_DASHBOARD__TOKEN_FILE", str(secret.with_name("none")))
    command = [sys.executable, "-m", "unmask", "watch", "ws://127.0.0.1:9/ws/v1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "UNMASK_DASHBOARD__TOKEN_FILE" in done.stderr
