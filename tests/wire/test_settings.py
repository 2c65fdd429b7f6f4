"""Loading: precedence, and one clear line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from wire.errors import ConfigError
from wire.redact import redact
from wire.settings import Settings, load


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDIS_URL", raising=False)

    def write(text: str) -> Path:
        path = tmp_path / "cameras.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_defaults_without_a_file(write: object) -> None:
    assert load() == Settings()


def test_the_file_in_the_current_folder_is_found(write: object) -> None:
    Path("unmask.yaml").write_text("dashboard: {port: 9001}")
    assert load().dashboard.port == 9001


def test_environment_over_file_over_default(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    path = write("dashboard: {port: 9001, host: localhost}\nredis: {url: 'redis://file/0'}")
    monkeypatch.setenv("UNMASK_DASHBOARD__PORT", "9002")
    monkeypatch.setenv("REDIS_URL", "redis://environment/0")
    settings = load(path)
    assert settings.dashboard.port == 9002
    assert settings.dashboard.host == "localhost"
    assert settings.redis.url == "redis://environment/0"
    assert settings.worker.batch == 16


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dashbord: {port: 1}", "dashbord: unknown key: did you mean 'dashboard'?"),
        ("cameras: {door: {ulr: x.mp4}}", "cameras.door.ulr: unknown key: did you mean 'url'?"),
        ("dashboard: {prot: 1}", "dashboard.prot: unknown key: did you mean 'port'?"),
        ("worker: {quality: {max_jaw: 1}}", "worker.quality.max_jaw: unknown key: did you mean 'max_yaw'?"),
        ("cameras: {a: {url: x, fps: 3}}", "cameras.a.fps: unknown key"),
        ("dashboard: {port: many}", "dashboard.port"),
        ("dashboard: {port: 99999}", "dashboard.port"),
        ("dashboard: 8", "dashboard: wants keys of its own"),
        ("cameras: {'a b': {url: x}}", "cameras.a b: can't be a name: take"),
        ("cameras: {a: {}}", "cameras.a.url"),
        ("cameras: {a: x.mp4}", "cameras.a: wants keys of its own"),
        ("cameras: [1]", "cameras: wants keys of its own"),
        ("notify: {webhooks: {a: {url: 'http://x', cameras: door}}}", "notify.webhooks.a.cameras: wants a list, as"),
        ("state: 5", "state: wants a path"),
        ("- 1", "not a mapping"),
        ("a: [1", "line 1"),
        ("cameras: {a: {url: 'rtsp://u:${NOT_SET_ANYWHERE}@h/'}}", "no variable NOT_SET_ANYWHERE"),
        ("alerts: {keep_days: 2001-99-99}", "month must be in 1..12"),
        ("cameras: " + "[" * 5000, "nested too deeply"),
        ("cameras:\n  door: {url: a}\n  hall: {url: b}\n  door: {url: c}", "line 4: door is there already, in line 2"),
        ("state: a\nstate: a", "line 2: state is there already, in line 1"),
        ("cameras:\n  on: {url: a}", "line 2: the name on is no text to YAML: put it in quotes"),
        ("cameras:\n  7: {url: a}", "line 2: the name 7 is no text to YAML"),
        ("cameras:\n\tdoor: {url: a}", "line 2: found a tab that cannot start any token"),
        ('a: "x\nb: 1\nc: 2\n', "unexpected end of stream, while scanning a quoted scalar that begins in line 1:"),
        ("a:\n  b\n  c: 1", "line 3: mapping values are not allowed here, a ':' is missing in the line before"),
        (
            "a:\n  b: 1\n  c\nd: 2",
            "line 4: could not find expected ':', while scanning a simple key that begins in line 3",
        ),
        (
            "a: {b: {c: 1\nd: 2}",
            "line 2: expected ',' or '}', but got ':', while parsing a flow mapping that begins in li",
        ),
        ("a:\n  b: 1\n   c: 2", "line 3: mapping values are not allowed here"),
        ("a:\n  - b\n c: 2", "line 3: expected <block end>, but found '<block mapping start>'"),
        ("a: *hunter2", "line 1: found undefined alias ***: correct"),
        ("a: !hunter2 b", "could not determine a constructor for the tag ***: correct"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write, text: str, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError) as caught:
        load(write(text))
    line = str(caught.value)
    assert said in line
    assert "cameras.yaml" in line
    assert "\n" not in line
    assert caught.value.exit_code == 2


def test_what_two_cameras_share_may_stand_once(write) -> None:  # type: ignore[no-untyped-def]
    path = write("cameras:\n  a: &a {url: x, loop: true}\n  b: &b {<<: *a, url: y}\n  'on': {<<: [*a, *b], url: z}")
    assert {name: one.url for name, one in load(path).cameras.items()} == {"a": "x", "b": "y", "on": "z"}
    assert load(path).cameras["on"].loop


def test_a_wrong_value_is_not_repeated(write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError) as caught:
        load(write("cameras: {a: {url: ['rtsp://u:hunter2@h/']}}"))
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_and_one_that_is_no_text(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "binary.yaml")


def test_a_variable_of_the_wrong_type(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("UNMASK_DASHBOARD__PORT", "many")
    with pytest.raises(ConfigError, match=r"dashboard\.port"):
        load()


def test_a_variable_that_should_be_json(write, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("UNMASK_CAMERAS", "{not json")
    with pytest.raises(ConfigError, match="UNMASK_"):
        load()


def test_a_stream_key_is_masked_wherever_it_stands(write) -> None:  # type: ignore[no-untyped-def]
    load(write("cameras: {call: {url: rtmp://127.0.0.1/live/qx7-stream-key, listen: loopback}}"))
    assert redact("Unexpected stream qx7-stream-key") == "Unexpected stream ***"
