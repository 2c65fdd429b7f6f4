"""`unmask discover` on the command line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.onvif import PASSWORD, USER, OnvifCamera, serving
from unmask.cli import app
from unmask.discover import command
from wire.errors import UsageError
from wire.settings import load

LOGIN = {"CAMERA_USER": USER, "CAMERA_PASSWORD": "p%40ss%2Fword", "COLUMNS": "160"}


def call(*arguments: str, **environ: str | None) -> Result:
    return CliRunner().invoke(app, ["discover", *arguments], env={"COLUMNS": "160", **environ})


def test_the_table_names_address_model_and_streams() -> None:
    with serving(OnvifCamera(name="[red]door")) as camera:
        done = call(f"127.0.0.1:{camera.udp_port}", "--login", **LOGIN)
    assert done.exit_code == 0
    for words in ("[red]door", "127.0.0.1", "Example FD-7", "H264 1920x1080 25 fps  rtsp://127.0.0.1:554/main?a=1&b=2"):
        assert words in done.output
    assert PASSWORD not in done.output


def test_json_is_one_object_and_nothing_else() -> None:
    with serving(OnvifCamera()) as camera:
        done = call(f"127.0.0.1:{camera.udp_port}", "--json")
    [found] = json.loads(done.stdout)["cameras"]
    assert (found["name"], found["address"], found["streams"]) == ("Front door", "127.0.0.1", [])
    assert "--login" in found["problem"]


def test_yaml_is_a_configuration_that_reads_the_login_as_the_command_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, secret = tmp_path / "unmask.yaml", tmp_path / "password"
    secret.write_text("p%40ss%2Fword\n")
    files = {"CAMERA_USER": USER, "CAMERA_PASSWORD_FILE": str(secret)}
    with serving(OnvifCamera()) as camera:
        done = call(f"127.0.0.1:{camera.udp_port}", "--login", "--yaml", **files, CAMERA_PASSWORD=None)
    assert done.exit_code == 0
    path.write_text(done.stdout)
    for name, value in files.items():
        monkeypatch.setenv(name, value)
    assert load(path).cameras["front-door"].url == f"rtsp://{USER}:p%40ss%2Fword@127.0.0.1:554/main?a=1&b=2"


@pytest.mark.parametrize("form", [(), ("--json",), ("--yaml",)])
def test_nobody_answers(form: tuple[str, ...]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute:
        mute.bind(("127.0.0.1", 0))
        done = call(f"127.0.0.1:{mute.getsockname()[1]}", "--timeout", "0.2", *form)
    assert done.exit_code == 1
    assert "answered within 0.2 s" in done.stderr
    assert done.stdout.strip() == {(): "", ("--json",): '{"cameras": []}', ("--yaml",): "cameras: {}"}[form]


def test_a_whole_network_that_is_silent_is_explained() -> None:
    words = command.NOBODY.format(4.0)
    for why in ("subnet", "multicast", "3702", "--network host", "unmask discover ADDRESS"):
        assert why in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--json", "--yaml"), "choose one"), (("192.0.2.1:x",), "no address"), (("192.0.2.1:99999",), "no address"),
     (("no-such-host.invalid",), "no address"), (("192.0.2.1", "--login"), "CAMERA_PASSWORD")],
)  # fmt: skip
def test_what_can_not_be_is_one_line(arguments: tuple[str, ...], words: str) -> None:
    done = call(*arguments, CAMERA_USER=None, CAMERA_PASSWORD=None)
    assert isinstance(done.exception, UsageError)
    assert words in str(done.exception)


def test_without_the_library_the_error_names_the_command_that_brings_it() -> None:
    code = "import sys; sys.modules['onveef'] = None; from unmask.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "discover"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "unmask: the ONVIF library is not installed: pip install 'unmask[discover]'\n"
