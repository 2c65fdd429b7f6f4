"""The containers are as docs/security.md and docs/deploy.md say: services, profiles, the override file, the image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from wire import settings

ROOT = Path(__file__).parents[1]
OURS = {"streamer": "streamer", "worker": "worker", "worker-gpu": "worker", "dashboard": "dashboard"}  # and their roles
PROFILES = {
    "cpu": {"worker"}, "gpu": {"worker-gpu"}, "monitoring": {"prometheus", "grafana"}, "restream": {"restream"},
    "mqtt": {"mqtt"},
}  # fmt: skip
SERVICES = ("redis", *OURS, *(name for names in PROFILES.values() for name in sorted(names) if name not in OURS))


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


COMPOSE, SECRETS = (read(f"docker-compose{part}.yml") for part in ("", ".secrets"))
DEPLOY = ROOT / "deploy" / "compose"


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_held(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] not in ("0", "root", "")
    assert 0 < service["pids_limit"] <= 1024
    assert re.fullmatch(r"\$\{\w+:-\d+g\}", service["mem_limit"])
    assert all("noexec" in one and "size=" in one for one in service["tmpfs"])
    assert {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}.isdisjoint(service)
    assert not any("docker.sock" in volume for volume in service["volumes"])
    assert all(volume.endswith(":ro") for volume in service["volumes"] if volume.startswith((".", "/", "$")))
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


def test_there_is_no_service_this_does_not_know() -> None:
    assert set(COMPOSE["services"]) == set(SERVICES)
    assert set(SECRETS["services"]) == {"redis", *OURS}


def test_a_profile_brings_workers_or_what_stands_beside() -> None:
    always = {name for name, service in COMPOSE["services"].items() if "profiles" not in service}
    assert always == {"redis", "streamer", "dashboard"}
    found = {name: {n for n, s in COMPOSE["services"].items() if name in s.get("profiles", ())} for name in PROFILES}
    assert found == PROFILES


def test_streamers_and_workers_can_be_many() -> None:
    """Nothing that only one container can have; each replica's name comes from its host name, which is its own."""
    for name in ("streamer", "worker", "worker-gpu"):
        assert {"container_name", "hostname", "ports"}.isdisjoint(COMPOSE["services"][name])
        assert re.fullmatch(r"\$\{UNMASK_(STREAM|WORK)ERS:-1\}", COMPOSE["services"][name]["scale"])
        assert not any(key.endswith("__NAME") for key in COMPOSE["services"][name]["environment"])


def test_workers_differ_by_what_they_compute_on() -> None:
    worker, gpu = (COMPOSE["services"][name] for name in ("worker", "worker-gpu"))
    assert {key for key in gpu if gpu[key] != worker.get(key)} == {
        "profiles",
        "image",
        "build",
        "environment",
        "deploy",
    }
    assert gpu["environment"] == worker["environment"] | {"UNMASK_WORKER__DEVICE": "cuda"}
    assert worker["build"]["args"]["TORCH_INDEX"] == "${UNMASK_TORCH_INDEX-https://download.pytorch.org/whl/cpu}"
    assert gpu["build"]["args"] == worker["build"]["args"] | {"TORCH_INDEX": ""}
    assert worker["image"] == COMPOSE["services"]["streamer"]["image"] != gpu["image"]


def test_what_is_published_is_on_loopback() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert set(published) == {"dashboard", "prometheus", "grafana", "restream", "mqtt"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_redis_and_the_worker_have_no_way_out() -> None:
    assert COMPOSE["networks"]["bus"] == {"internal": True}
    on_bus = {name for name, service in COMPOSE["services"].items() if "bus" in service["networks"]}
    assert on_bus == {"redis", *OURS}, "nothing beside ours reaches Redis"
    assert [name for name in SERVICES if "outside" not in COMPOSE["services"][name]["networks"]] == [
        "redis", "worker", "worker-gpu",
    ]  # fmt: skip


def test_what_stands_beside_is_configured_by_files_that_are_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert not source.startswith("./deploy") or (ROOT / source).exists(), source
    scraped = read("deploy/compose/prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    port = COMPOSE["services"]["dashboard"]["environment"]["UNMASK_DASHBOARD__PORT"]
    assert scraped == [f"dashboard:{port}"]
    source = read("deploy/compose/grafana/datasources/prometheus.yml")["datasources"][0]["url"]
    assert source == "http://prometheus:9090"
    boards = read("deploy/compose/grafana/dashboards/unmask.yml")["providers"][0]["options"]["path"]
    assert f"./deploy/grafana:{boards}:ro" in COMPOSE["services"]["grafana"]["volumes"]
    assert read("deploy/compose/mediamtx.yml")["paths"] == {"all_others": None}
    assert "listener 1883\n" in (DEPLOY / "mosquitto.conf").read_text()


def test_health_is_asked_of_the_service_itself() -> None:
    for name, role in OURS.items():
        service = COMPOSE["services"][name]
        assert service["healthcheck"]["test"] == ["CMD", "unmask", "health", role]
        assert service["command"].startswith(role)
        assert service["depends_on"]["redis"]["condition"] == "service_healthy"


def test_each_secret_is_a_file_for_those_who_need_it_and_no_variable() -> None:
    for service in SECRETS["services"].values():
        environment = service.get("environment", {})
        for name, value in environment.items():
            if name.endswith("_FILE"):
                assert environment[name.removesuffix("_FILE")] == "", "what the base file sets is taken away"
                assert value.removeprefix("/run/secrets/") in service["secrets"]
        assert set(service["secrets"]) <= set(SECRETS["secrets"])
    holders = {
        name: [one for one in SECRETS["services"] if name in SECRETS["services"][one]["secrets"]]
        for name in SECRETS["secrets"]
    }
    assert holders["camera_password"] == ["streamer"]
    assert holders["dashboard_token"] == ["dashboard"]
    assert holders["redis.conf"] == ["redis"]
    assert SECRETS["services"]["dashboard"]["environment"]["UNMASK_DASHBOARD__ALLOW_ANONYMOUS"] == "false"


def test_redis_keeps_its_options_when_its_password_comes_by_a_file() -> None:
    plain, secret = (one["services"]["redis"]["command"] for one in (COMPOSE, SECRETS))
    assert secret.replace("/run/secrets/redis.conf ", "") == plain
    assert "--appendonly yes --appendfsync everysec" in plain


@pytest.mark.parametrize("name", OURS)
def test_the_settings_that_a_service_gets_are_valid(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What compose would hand over, with the secrets' files in place, is read by the settings as it is meant."""
    for secret in SECRETS["secrets"]:
        (tmp_path / secret).write_text("redis://:pw@redis:6379/0\n" if secret == "redis_url" else "hunter2\n")
    environment = {**COMPOSE["services"][name]["environment"], **SECRETS["services"][name]["environment"]}
    for variable, value in environment.items():
        plain = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)
        monkeypatch.setenv(variable, plain.replace("/run/secrets", str(tmp_path)))
    config = tmp_path / "unmask.yaml"
    config.write_text("cameras: {a: {url: 'rtsp://u:${CAMERA_PASSWORD}@h/'}}")
    found = settings.load(config)
    assert found.redis.url == "redis://:pw@redis:6379/0"
    assert ("hunter2" in found.cameras["a"].url) == (name == "streamer")
    if name == "dashboard":
        assert found.dashboard.token
        assert found.dashboard.token.get_secret_value() == "hunter2"
        assert not found.dashboard.allow_anonymous


def test_the_image_runs_as_nobody_in_particular_without_pip_on_a_base_that_is_an_argument() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    build, last = text.split("FROM ${BASE}")[1:]
    assert text.index("ARG BASE=") < text.index("FROM ")
    assert build.startswith(" AS build")
    users = re.findall(r"^USER (\S+)", last, re.MULTILINE)
    assert users == ["10001"], "by number, so that it can be checked to be no root"
    assert "COPY --from=build" in last
    assert "pip install" not in last
    assert "uninstall -y pip" in build
    assert "apt-get" not in text
    assert "${TORCH_INDEX:+--index-url ${TORCH_INDEX}} -r torch.txt" in build, "both from one index, before the rest"


def test_what_is_sent_to_the_builder_is_named() -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    assert rules[0] == "*", "nothing but what is let through: no unmask.yaml, no secrets, no state"
    assert not any("secrets" in rule or "yaml" in rule for rule in rules)
