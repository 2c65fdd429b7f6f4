"""`unmask notify-test` as a command, against real receivers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tests.support.receiver import Receiver
from tests.support.servers import free_port
from tests.unmask.test_cli import call
from unmask.cli import app
from wire.errors import UsageError


def write(path: Path, notify: object, **more: object) -> str:
    path.write_text(yaml.safe_dump({"notify": notify, **more}), encoding="utf-8")
    return str(path)


def test_one_line_each_and_a_failure_counts(tmp_path: Path, receiver: Receiver) -> None:
    config = write(
        tmp_path / "unmask.yaml",
        {
            "apprise": {"phone": {"url": receiver.url.replace("http://", "json://u:hidden@")}},
            "webhooks": {"soc": {"url": receiver.url}, "gone": {"url": f"http://u:hidden@127.0.0.1:{free_port()}/"}},
            "mqtt": {"url": f"mqtt://u:hidden@127.0.0.1:{free_port()}"},
        },
    )
    result = CliRunner().invoke(app, ["notify-test", "--config", config])
    assert result.exit_code == 1
    lines = {line.split()[1].rstrip(":"): line for line in result.output.splitlines()}
    assert lines["apprise-phone"].startswith("✓")
    assert lines["webhook-soc"].startswith("✓")
    assert lines["webhook-gone"].startswith("✗")
    assert "can't be reached; check the url" in lines["webhook-gone"]
    assert lines["mqtt"].startswith("✗")
    assert "hidden" not in result.output
    assert len(receiver.taken) == 2


@pytest.mark.parametrize(
    ("notify", "where"),
    [
        ({"webhooks": {"soc": {"url": "htp://u:hidden@host/"}}}, "notify.webhooks.soc.url"),
        ({"apprise": {"phone": {"url": "nosuch://u:hidden@host/"}}}, "notify.apprise.phone.url"),
        ({"mqtt": {"url": "http://u:hidden@host/"}}, "notify.mqtt.url"),
    ],
)
def test_an_url_that_is_none_stops_the_start_and_fails_the_check(
    tmp_path: Path, notify: dict[str, Any], where: str, redis_url: str
) -> None:
    config = write(tmp_path / "unmask.yaml", notify, cameras={"a": {"url": "clip.mp4"}})
    for command in (["run"], ["dashboard"]):
        done = call(*command, "--config", config, cwd=tmp_path, env={"REDIS_URL": redis_url})
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert where in done.stderr
        assert "hidden" not in done.stdout + done.stderr
    done = call("check", "--config", config, cwd=tmp_path, env={"REDIS_URL": redis_url, "COLUMNS": "200"})
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("│ notify")]
    assert "failed" in row
    assert where in row
    assert "hidden" not in done.stdout + done.stderr


def test_without_channels_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"docs/notifications\.md"):
        CliRunner().invoke(app, ["notify-test", "--config", write(tmp_path / "u.yaml", {})], catch_exceptions=False)
