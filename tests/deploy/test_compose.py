"""What Docker Compose itself makes of docker-compose.yml, of files laid over it, and of the commands in the docs.

And what the programs of its profiles make of their files, where Debian has them: Prometheus, Mosquitto.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest
import yaml

from tests.dashboard.conftest import Running, dashboard  # noqa: F401 - a fixture
from tests.support.commands import Command
from tests.support.compose import ROOT, before_the_verb, compose, config, scaled
from tests.support.servers import end, free_port, missing, wait_until
from tests.test_commands import FOUND

PROFILES = {"cpu": {"worker"}, "gpu": {"worker-gpu"}, "monitoring": {"prometheus", "grafana"},
            "restream": {"restream"}, "mqtt": {"mqtt"}}  # fmt: skip
ALWAYS = {"redis", "streamer", "dashboard"}
TYPED = [one for one in FOUND if one.words[:2] == ("docker", "compose")]


@pytest.mark.parametrize("chosen", [(), *combinations(PROFILES, 1), tuple(PROFILES)], ids="+".join)
def test_there_is_nothing_to_say_of_it(chosen: tuple[str, ...]) -> None:
    found = config(*(word for name in chosen for word in ("--profile", name)))
    assert set(found["services"]) == ALWAYS.union(*(PROFILES[name] for name in chosen))


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """Or the test above would pass whatever stands there."""
    path = tmp_path / "compose.yml"
    path.write_text(yaml.safe_dump({"services": {"worker": {"profile": ["cpu"]}}}))
    result = compose("-f", "docker-compose.yml", "-f", path, "config", "-q")
    assert result.returncode != 0
    assert "profile" in result.stderr


def test_how_many_comes_from_the_environment_as_the_guide_says() -> None:
    guide = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    variables = dict(re.findall(r"^    (UNMASK_\w+)=(\d+)$", guide, re.MULTILINE))
    assert variables == {"UNMASK_WORKERS": "3", "UNMASK_STREAMERS": "2"}
    services = config("--profile", "cpu", variables=variables)["services"]
    assert {name: services[name]["scale"] for name in ("worker", "streamer")} == {"worker": 3, "streamer": 2}


def test_passwords_in_files_take_the_place_of_variables() -> None:
    files = ("-f", "docker-compose.yml", "-f", "docker-compose.secrets.yml")
    found = config(*files, "--profile", "*", variables={"CAMERA_PASSWORD": "hunter2"})["services"]
    assert "hunter2" not in str(found)
    for name in ("streamer", "worker", "worker-gpu", "dashboard"):
        environment, secrets = found[name]["environment"], {one["target"] for one in found[name]["secrets"]}
        assert (environment["REDIS_URL"], environment["REDIS_URL_FILE"]) == ("", "/run/secrets/redis_url")
        assert {value for key, value in environment.items() if key.endswith("_FILE")} == secrets
    assert found["worker-gpu"]["environment"]["UNMASK_WORKER__DEVICE"] == "cuda", "what is laid over adds"


def test_with_tls_no_service_is_left_with_the_plain_url(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "tls.md").read_text(encoding="utf-8")
    [block] = [one for one in re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL) if "docker-compose.tls.yml" in one]
    path = tmp_path / "docker-compose.tls.yml"
    path.write_text(block)
    plain, found = config("--profile", "*"), config("-f", "docker-compose.yml", "-f", path, "--profile", "*")
    for name, service in found["services"].items():
        if "REDIS_URL" in plain["services"][name].get("environment", {}):
            assert service["environment"]["REDIS_URL"] == "rediss://redis:6379/0", name
            assert "/tls" in {one["target"] for one in service["volumes"]}, name
    with_options, without = (set(one["services"]["redis"]["command"]) for one in (found, plain))
    assert without - with_options == set(), "but for TLS, Redis runs as it does without"


@pytest.mark.parametrize("command", TYPED, ids=str)
def test_a_command_of_the_docs_names_what_is_there(command: Command) -> None:
    """All but the verb itself, which would want a daemon; `up --scale` of a service of no chosen profile is refused."""
    options, verb = before_the_verb(command.words)
    services = config(*options)["services"]
    assert set(scaled(verb)) <= services.keys(), "Compose says: no such service"


@contextmanager
def started(*command: str | Path) -> Iterator[None]:
    """A program of Debian's, as its profile would start it."""
    program = shutil.which(str(command[0]), path="/usr/bin:/usr/sbin")
    if program is None:
        missing(f"no {command[0]}: run scripts/install-system.sh test")
    process = subprocess.Popen([program, *map(str, command[1:])], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        end(process)


def test_prometheus_scrapes_the_dashboard_and_computes_every_rule(
    dashboard: Callable[..., Running],  # noqa: F811
    tmp_path: Path,
) -> None:
    one, address = dashboard().synced(), f"127.0.0.1:{free_port()}"
    text = (ROOT / "deploy" / "compose" / "prometheus.yml").read_text(encoding="utf-8")
    changed = {
        "dashboard:8008": one.http.removeprefix("http://"),
        "/etc/prometheus/rules": str(ROOT / "deploy" / "prometheus"),
        "interval: 15s": "interval: 200ms",
    }
    for was, now in changed.items():
        assert was in text
        text = text.replace(was, now)
    config = tmp_path / "prometheus.yml"
    config.write_text(text)
    options = (f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}")

    def asked(path: str, **query: str) -> Any:
        try:
            return httpx.get(f"http://{address}/api/v1/{path}", params=query).json()["data"]
        except (httpx.TransportError, ValueError):  # it is starting
            return {}

    def up() -> bool:
        found = asked("query", query='unmask_redis_up{job="unmask"}').get("result", [])
        return [one["value"][1] for one in found] == ["1"]

    def health() -> list[str]:
        return [rule["health"] for group in asked("rules").get("groups", []) for rule in group["rules"]]

    with started("prometheus", *options):
        wait_until(up, 30, "Prometheus has what the dashboard says of Redis")
        wait_until(lambda: "unknown" not in health(), 30, "every rule was computed")
        assert set(health()) == {"ok"}


def test_mosquitto_takes_its_file_and_whoever_comes(tmp_path: Path) -> None:
    port, came = free_port(), threading.Event()
    text = (ROOT / "deploy" / "compose" / "mosquitto.conf").read_text(encoding="utf-8")
    config = tmp_path / "mosquitto.conf"
    text = text.replace("1883\n", f"{port} 127.0.0.1\n").replace("/mosquitto/data/", f"{tmp_path}/")
    config.write_text(f"{text}user root\n")
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: client.subscribe("unmask/#")
    client.on_subscribe = lambda *_: client.publish("unmask/alerts", "x")
    client.on_message = lambda *_: came.set()
    with started("mosquitto", "-c", config):
        wait_until(lambda: not _refused(client, port), 20, "Mosquitto listens")
        client.loop_start()
        assert came.wait(20)
        client.disconnect()
        client.loop_stop()


def _refused(client: mqtt.Client, port: int) -> bool:
    try:
        client.connect("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    return False
