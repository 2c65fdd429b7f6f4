"""The containers are as docs/security.md says: every service, the override files, the image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from wire import settings

ROOT = Path(__file__).parents[1]
SERVICES = ("redis", "streamer", "worker", "dashboard")


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


COMPOSE, SECRETS, GPU = (read(f"docker-compose{part}.yml") for part in ("", ".secrets", ".gpu"))


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
    assert service["healthcheck"]["test"][0] == "CMD", "no shell"
    assert {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices"}.isdisjoint(service)
    assert not any("docker.sock" in volume for volume in service["volumes"])
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


def test_there_is_no_service_this_does_not_know() -> None:
    assert set(COMPOSE["services"]) == set(SERVICES)
    assert set(SECRETS["services"]) == set(SERVICES)
    assert set(GPU["services"]) == {"worker"}


def test_only_the_page_is_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert list(published) == ["dashboard"]
    assert all(port.startswith("127.0.0.1:") for port in published["dashboard"])


def test_redis_and_the_worker_have_no_way_out() -> None:
    assert COMPOSE["networks"]["bus"] == {"internal": True}
    networks = {name: COMPOSE["services"][name]["networks"] for name in SERVICES}
    assert networks == {
        "redis": ["bus"], "worker": ["bus"], "streamer": ["bus", "outside"], "dashboard": ["bus", "outside"],
    }  # fmt: skip


def test_health_is_asked_of_the_service_itself() -> None:
    for name in ("streamer", "worker", "dashboard"):
        service = COMPOSE["services"][name]
        assert service["healthcheck"]["test"] == ["CMD", "unmask", "health", name]
        assert service["command"].startswith(name)
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
        name: [one for one in SERVICES if name in SECRETS["services"][one]["secrets"]] for name in SECRETS["secrets"]
    }
    assert holders["camera_password"] == ["streamer"]
    assert holders["dashboard_token"] == ["dashboard"]
    assert holders["redis.conf"] == ["redis"]
    assert SECRETS["services"]["dashboard"]["environment"]["UNMASK_DASHBOARD__ALLOW_ANONYMOUS"] == "false"


def test_redis_keeps_its_options_when_its_password_comes_by_a_file() -> None:
    plain, secret = (one["services"]["redis"]["command"] for one in (COMPOSE, SECRETS))
    assert secret.replace("/run/secrets/redis.conf ", "") == plain
    assert "--appendonly yes --appendfsync everysec" in plain


@pytest.mark.parametrize("name", ["streamer", "worker", "dashboard"])
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


def test_what_is_sent_to_the_builder_is_named() -> None:
    rules = (ROOT / ".dockerignore").read_text().split()
    assert rules[0] == "*", "nothing but what is let through: no unmask.yaml, no secrets, no state"
    assert not any("secrets" in rule or "yaml" in rule for rule in rules)
