"""The command line as a shell sees it: exit codes, one line for what is wrong, and an answer at once."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.main import get_command

from tests.support import forks
from tests.support.servers import unmask
from unmask import parts
from unmask.__main__ import main
from unmask.cli import app
from unmask.commands.options import Panel
from unmask.embedded import EmbeddedServer
from wire.settings import load

COMMANDS = [
    "run", "demo", "streamer", "worker", "dashboard", "watch", "scan", "train", "evaluate", "enrol", "convert", "check",
    "doctor", "data", "export-feedback", "backup", "restore", "forget",
]  # fmt: skip


def call(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the product to its end, with nothing of this machine's configuration."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("UNMASK_", "REDIS_"))}
    return forks.run([str(one) for one in arguments], cwd, clean | (env or {}))


def begun(*arguments: str) -> str:
    """What a command prints that is started as a shell does it, in an interpreter of its own."""
    return subprocess.run(unmask(*arguments), capture_output=True, text=True, timeout=60, check=True).stdout


def refused(*arguments: str | Path, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """As `call`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        for name in [name for name in os.environ if name.startswith(("UNMASK_", "REDIS_"))]:
            patch.delenv(name)
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["unmask", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert isinstance(ended.value.code, int)
    return subprocess.CompletedProcess(sys.argv, ended.value.code, out.getvalue(), err.getvalue())


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, *said: str) -> None:
    """Exit code, and one line on standard error that holds each part of `said`."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for part in said:
        assert part in lines[0]
    assert result.returncode == code


def test_version() -> None:
    assert begun("--version").strip() == f"unmask {version('unmask')}"


def test_ctrl_c_before_the_command_has_begun_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("unmask.__main__._run", interrupted)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 130


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    def spent() -> float:  # processor time: on a busy machine the wall clock says more about the others
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    begun("--help")  # compiles what was not compiled yet
    before = spent()
    found = begun("--help")
    assert spent() - before < 1.2  # .4 to .7 s as processors go; PyTorch alone takes 2
    assert all(command in found for command in COMMANDS)
    titles = [line.strip("╭╮─ ") for line in found.splitlines() if line.startswith("╭")]
    assert titles == ["Options", *Panel]


def test_every_command_is_in_a_panel() -> None:
    """One without is listed before all panels, under a title of its own."""
    commands = [one for one in get_command(app).commands.values() if not one.hidden]  # type: ignore[attr-defined]
    assert [one.name for one in commands if one.rich_help_panel not in [*Panel]] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, tmp_path: Path) -> None:
    assert call(command, "--help", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("command", ["run", "worker", "check"])
@pytest.mark.parametrize(
    ("text", "said"),
    [("dashbord: {}", "did you mean 'dashboard'?"), ("dashboard: {port: many}", "dashboard.port"), ("a: [", "line")],
)
def test_a_wrong_configuration(command: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "unmask.yaml").write_text(text)
    assert_one_line(call(command, cwd=tmp_path), 2, "unmask.yaml", said)


def test_a_named_file_that_is_missing(tmp_path: Path) -> None:
    assert_one_line(call("run", "--config", "none.yaml", cwd=tmp_path), 2, "none.yaml", "no such file")


def test_an_unknown_scheme(tmp_path: Path) -> None:
    (tmp_path / "unmask.yaml").write_text("cameras: {a: {url: 'gopher://user:hunter2@h/'}}")
    result = call("run", cwd=tmp_path)
    assert_one_line(result, 2, "gopher://", "rtsp(s)://")
    assert "hunter2" not in result.stderr


def test_no_camera(tmp_path: Path) -> None:
    assert_one_line(call("run", cwd=tmp_path), 2, "no camera", "unmask demo")


def test_a_page_open_to_everybody_is_refused_before_anything_starts_and_by_check(tmp_path: Path) -> None:
    (tmp_path / "unmask.yaml").write_text("cameras: {a: {url: clip.mp4}}\ndashboard: {host: 0.0.0.0, port: 0}")
    assert_one_line(refused("run", cwd=tmp_path), 2, "dashboard.host", "unmask token")
    found = parts.access(load(tmp_path / "unmask.yaml"))
    assert (found.state, "0.0.0.0" in found.details) == ("failed", True)


@pytest.mark.parametrize("command", ["run", "streamer", "worker", "dashboard"])
def test_what_is_no_address_of_a_redis(command: str, tmp_path: Path) -> None:
    (tmp_path / "unmask.yaml").write_text("cameras: {a: {url: clip.mp4}}\ndashboard: {port: 0}")
    result = call(command, cwd=tmp_path, env={"REDIS_URL": "gopher://:hunter2@127.0.0.1:1/0"})
    assert_one_line(result, 2, "redis.url", "REDIS_URL")
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize("command", ["streamer", "worker", "dashboard"])
def test_a_single_service_needs_redis(command: str, tmp_path: Path) -> None:
    assert_one_line(call(command, cwd=tmp_path), 2, "no Redis", "REDIS_URL")


def broken_checkpoint(folder: Path, kind: str) -> Path:
    path = folder / "model.safetensors"
    if kind == "corrupt":
        path.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not json at all!")
    if kind == "empty":
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(("command", "kind"), [("run", "missing"), ("run", "corrupt"), ("scan", "empty")])
def test_a_checkpoint_that_is_none(command: str, kind: str, tmp_path: Path) -> None:
    path = broken_checkpoint(tmp_path, kind)
    settings = {"cameras": {"a": {"url": "clip.mp4"}}, "worker": {"checkpoint": str(path)}, "dashboard": {"port": 0}}
    (tmp_path / "unmask.yaml").write_text(json.dumps(settings | {"state": str(tmp_path / "state")}))
    asked = refused if command == "scan" else call  # what has begun to run ends its own process
    result = asked(command, *(["clip.mp4"] if command == "scan" else []), cwd=tmp_path)
    assert_one_line(result, 1, "model.safetensors", "checkpoint")


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a video")
    assert_one_line(refused("scan", "notes.mp4", cwd=tmp_path), 1, "notes.mp4")
    assert_one_line(refused("scan", "absent.mp4", cwd=tmp_path), 1, "absent.mp4", "not-found")
    assert not list(tmp_path.glob("*.json"))


def test_a_port_that_is_taken(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "unmask.yaml").write_text("cameras: {a: {url: clip.mp4}}")
    port = redis_url.rsplit(":", 1)[1].split("/")[0]
    assert_one_line(call("run", "--port", port, cwd=tmp_path), 1, port, "--port")


def test_a_second_one_is_told_of_the_first_and_not_of_its_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, EmbeddedServer(tmp_path / "state"):
        port = str(taken.getsockname()[1])
        (tmp_path / "unmask.yaml").write_text(f"cameras: {{a: {{url: clip.mp4}}}}\nstate: {tmp_path / 'state'}")
        assert_one_line(call("run", "--port", port, cwd=tmp_path), 1, "another unmask is running on", "stop it")


def test_watch_of_something_that_is_no_dashboard(tmp_path: Path) -> None:
    assert_one_line(call("watch", "gopher://x", cwd=tmp_path), 2, "ws://")
