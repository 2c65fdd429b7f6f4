"""The chart by the real Helm: valid for Kubernetes, and at one with the product, Compose and the cost model."""

from __future__ import annotations

import copy
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.main import get_command

from dashboard.config import from_settings
from streamer.confine import BASE_MB, CAMERA_MB
from tests.deploy.test_prometheus import RULES, exported, promtool
from tests.support.servers import missing
from unmask.cli import app
from wire import settings
from wire.settings import Settings, WorkerSettings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "unmask"
PAGE = ROOT / "docs" / "kubernetes.md"
ROLES = ("streamer", "worker", "dashboard")
CUSTOM = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}  # of which Kubernetes's own schemas know nothing
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))

Object = dict[str, Any]
CAMERA = {"url": "rtsp://${CAMERA_USER}:${CAMERA_PASSWORD}@192.0.2.10:554/stream1"}
LOGIN = {name: {"secret": "cameras", "key": name, "for": ["streamer"]} for name in ("CAMERA_USER", "CAMERA_PASSWORD")}
SETS: dict[str, Object] = {
    "defaults": {},
    "cameras": {"settings": {"cameras": {"a": CAMERA, "b": CAMERA}}, "secrets": LOGIN},
    "all": {
        "settings": {"cameras": {"a": CAMERA}, "streamer": {"max_pixels": 9_000_000, "queue_max_mb": 64}},
        "secrets": LOGIN,
        "load": {"cameras": 40, "facesPerCamera": 2},
        "imagePullSecrets": [{"name": "registry"}],
        "modelsClaim": "models",
        "redis": {"secret": "redis", "storageClassName": "fast", "nodeSelector": {"disk": "ssd"}},
        "networkPolicy": {"page": [{"podSelector": {"matchLabels": {"app": "ingress"}}}]},
        "keda": {"enabled": True, "authenticationRef": "prometheus"},
        "monitoring": {"serviceMonitor": True, "rules": True, "labels": {"release": "stack"}},
    },
    "elsewhere": {  # another Redis, users instead of a token, TLS, a GPU, resources of one's own
        "settings": {
            "redis": {"sentinels": ["s1:26379", "s2:26379"]},
            "dashboard": {
                "users": {"ann": {"role": "viewer", "hash": "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"}},
                "tls_certificate": "/tls/tls.crt",
                "tls_key": "/tls/tls.key",
            },
        },
        "secrets": {"UNMASK_DASHBOARD__TOKEN": None},
        "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
        "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
        "redis": {"enabled": False, "url": "redis://primary/0"},
        "networkPolicy": {"redis": [{"ports": [{"port": 6379}, {"port": 26379}]}]},
        "worker": {"replicas": 3, "gpu": {"enabled": True}, "nodeSelector": {"zone": "b"}},
        "dashboard": {"resources": {"requests": {"cpu": 1}}},
        "podDisruptionBudget": False,
        "monitoring": {"serviceMonitor": True},
    },
    "open": {"networkPolicy": {"enabled": False}, "secrets": {"UNMASK_DASHBOARD__TOKEN": None},
             "settings": {"dashboard": {"allow_anonymous": True}}},
}  # fmt: skip


@cache
def helm_path() -> str | None:
    return shutil.which("helm", path=str(Path(sys.executable).parent)) or shutil.which("helm")


def helm(*arguments: str, values: Object | None = None) -> subprocess.CompletedProcess[str]:
    if helm_path() is None:
        missing("no Helm: run make servers")
    command = [str(helm_path()), *arguments, "--values", "-"]
    return subprocess.run(
        command, input=json.dumps(values or {}), capture_output=True, text=True, timeout=60, check=False
    )


@cache
def rendered(name: str) -> tuple[Object, ...]:
    result = helm("template", "mine", str(CHART), "--namespace", "cams", values=SETS[name])
    assert result.returncode == 0, result.stderr
    return tuple(one for one in yaml.safe_load_all(result.stdout) if one)


def objects(name: str, kind: str) -> dict[str, Object]:
    """By their name without the release's."""
    return {
        one["metadata"]["name"].removeprefix("mine-unmask").lstrip("-"): one
        for one in rendered(name)
        if one["kind"] == kind
    }


def workloads(name: str) -> dict[str, Object]:
    return objects(name, "Deployment") | objects(name, "StatefulSet")


def pod(name: str, component: str) -> Object:
    found: Object = workloads(name)[component]["spec"]["template"]["spec"]
    return found


def container(name: str, component: str) -> Object:
    [found] = pod(name, component)["containers"]
    return dict(found)


def environment(name: str, role: str) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container(name, role)["env"]}


def test_the_linter_finds_nothing() -> None:
    result = helm("lint", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout
    assert "WARNING" not in result.stdout
    assert "1 chart(s) linted" in result.stdout


@pytest.mark.parametrize("name", SETS)
def test_every_object_is_valid_by_kubernetes_strict_schemas(name: str) -> None:
    found = rendered(name)
    for one in found:
        if one["kind"] not in CUSTOM:
            for version in ("1.27", kubernetes_validate.latest_version()):
                kubernetes_validate.validate(one, version, strict=True)
    named = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(set(named)) == len(named)
    assert {one["kind"] for one in found} >= {"Deployment", "Service", "ConfigMap"}
    wrong = copy.deepcopy(next(one for one in found if one["kind"] == "Deployment"))
    wrong["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.27", strict=True)


@pytest.mark.parametrize("name", ["all", "elsewhere"])
def test_every_pod_is_held_as_in_compose(name: str) -> None:
    for component in workloads(name):
        held, one = pod(name, component), container(name, component)
        assert COMPOSE[component]["user"] == "{runAsUser}:{runAsGroup}".format(**held["securityContext"])
        assert held["securityContext"]["runAsNonRoot"] is True
        assert held["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert held["automountServiceAccountToken"] is False
        assert held["enableServiceLinks"] is False, "or UNMASK_… variables would come from Services"
        assert {"hostNetwork", "hostPID", "hostIPC"}.isdisjoint(held)
        assert not any("hostPath" in volume for volume in held["volumes"])
        assert {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}} in held["volumes"]
        assert "cpu" not in one["resources"].get("limits", {}), "what is throttled comes late"
        volumes = {volume["name"] for volume in held["volumes"]} | ({"data"} if component == "redis" else set())
        assert {mount["name"] for mount in one["volumeMounts"]} == volumes


def test_what_runs_is_what_compose_runs() -> None:
    for role in ROLES:
        assert container("all", role)["args"] == [COMPOSE[role]["command"]]
        assert environment("all", role)["UNMASK_MODELS"] == COMPOSE[role]["environment"]["UNMASK_MODELS"]
    redis, plain = container("defaults", "redis"), COMPOSE["redis"]
    wanted = [*redis["command"], *(argument or '""' for argument in redis["args"])]
    assert " ".join(wanted).replace("1024mb", "1gb") == plain["command"]
    assert redis["image"] in plain["image"]
    assert redis["startupProbe"]["exec"]["command"] == plain["healthcheck"]["test"][1:]
    assert container("all", "redis")["args"] == ["/run/secrets/redis.conf", *redis["args"]]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", SETS)
def test_the_settings_load_with_what_each_pod_is_given(
    name: str, role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(name, role, tmp_path, monkeypatch)
    given = SETS[name].get("settings", {})
    assert set(found.cameras) == set(given.get("cameras", {}))
    assert all(("Secret" in one.url) == (role == "streamer") for one in found.cameras.values())
    for section, values in given.items():
        for key, value in values.items():
            if section == "streamer":
                assert getattr(found.streamer, key) == value
    assert found.redis.url
    assert found.redis.url.startswith(
        {"all": "redis://:Secret", "elsewhere": "redis://primary/0?sentinels="}.get(name, "redis://mine-unmask-redis:")
    )
    if role == "dashboard":
        config = from_settings(found)
        assert (config.host, config.port) == ("0.0.0.0", container(name, role)["ports"][0]["containerPort"])
        assert config.access.open == (name == "open")
    if role == "worker":
        assert found.worker.device == ("cuda" if name == "elsewhere" else "auto")
        assert found.worker.threads == VALUES["worker"]["cores"]


def load(name: str, role: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As a pod would: the ConfigMap's file, its environment, and the Secrets' files where they are mounted."""
    mounted = {mount["name"]: mount["mountPath"] for mount in container(name, role)["volumeMounts"]}
    [secrets] = [volume["projected"] for volume in pod(name, role)["volumes"] if volume["name"] == "secrets"] or [{}]
    for source in secrets.get("sources", ()):
        for item in source["secret"]["items"]:
            text = "redis://:Secret@host:6379/0" if item["path"] == "REDIS_URL" else "Secret1"
            (folder / item["path"]).write_text(text + "\n")
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("UNMASK_MODELS", raising=False)
    for variable, value in environment(name, role).items():
        monkeypatch.setenv(variable, value.replace(mounted.get("secrets", "/none"), str(folder)))
    [data] = objects(name, "ConfigMap")[""]["data"].items()
    assert mounted["settings"] == re.search(r"^WORKDIR (/etc/\S+)", (ROOT / "Dockerfile").read_text(), re.M)[1]  # type: ignore[index]
    (folder / data[0]).write_text(data[1])
    monkeypatch.chdir(folder)
    return settings.load()


def test_a_secret_is_no_variable_and_is_where_it_is_needed_only() -> None:
    for role in ROLES:
        given = environment("all", role)
        assert given["REDIS_URL_FILE"].endswith("/REDIS_URL")
        for name in LOGIN:
            assert (given.get(name), f"{name}_FILE" in given) == (
                (None, True) if role == "streamer" else ("not-needed-here", False)
            )
        assert ("UNMASK_DASHBOARD__TOKEN_FILE" in given) == (role == "dashboard")
    assert "secretKeyRef" not in yaml.safe_dump_all(rendered("all"))
    assert not objects("all", "Secret"), "none that Helm would keep"


def test_cameras_are_followed_and_other_changes_restart() -> None:
    def stamps(name: str) -> set[str]:
        pods = objects(name, "Deployment").values()
        return {one["spec"]["template"]["metadata"]["annotations"]["checksum/settings"] for one in pods}

    assert stamps("defaults") == stamps("cameras") != stamps("all")
    for role in ROLES:
        assert not any("subPath" in mount for mount in container("all", role)["volumeMounts"]), "would not follow"


def test_probes_ask_what_the_product_answers() -> None:
    command, paths = get_command(app), json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
    for role in ("streamer", "worker"):
        one = container("all", role)
        for probe, live in (("startupProbe", True), ("livenessProbe", True), ("readinessProbe", False)):
            program, name, *words = one[probe]["exec"]["command"]
            context = command.commands[name].make_context(name, list(words))  # type: ignore[attr-defined]
            assert (program, context.params["role"], context.params["live"]) == ("unmask", role, live)
            assert one[probe]["timeoutSeconds"] >= 15
    for name, scheme in (("all", "HTTP"), ("elsewhere", "HTTPS")):
        one = container(name, "dashboard")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert one[probe]["httpGet"] == {"path": "/healthz", "port": "http", "scheme": scheme}
    [endpoint] = objects("all", "ServiceMonitor")[""]["spec"]["endpoints"]
    assert {endpoint["path"], "/healthz"} <= paths.keys()


def matches(selector: Object, labels: Object) -> bool:
    return set(selector.get("matchLabels", selector).items()) <= set(labels.items())


def chosen(name: str, selector: Object) -> set[str]:
    """Components whose pods a selector chooses."""
    pods = workloads(name).items()
    return {one for one, found in pods if matches(selector, found["spec"]["template"]["metadata"]["labels"])}


@pytest.mark.parametrize("name", ["all", "elsewhere"])
def test_selectors_choose_the_pods_they_are_meant_for(name: str) -> None:
    for component, one in workloads(name).items():
        assert chosen(name, one["spec"]["selector"]) == {component}
    for service in objects(name, "Service").values():
        [component] = chosen(name, service["spec"]["selector"])
        assert service["metadata"]["name"] == f"mine-unmask-{component}"
        assert service["spec"]["ports"][0]["targetPort"] == container(name, component)["ports"][0]["name"]
    budgets = {} if name == "elsewhere" else {role: {role} for role in ROLES}
    found = objects(name, "PodDisruptionBudget").items()
    assert {one: chosen(name, budget["spec"]["selector"]) for one, budget in found} == budgets
    assert all(budget["spec"]["maxUnavailable"] == 1 for _, budget in found), "a drain is never blocked"
    monitor = objects(name, "ServiceMonitor")[""]["spec"]
    services = objects(name, "Service").items()
    assert [one for one, s in services if matches(monitor["selector"], s["metadata"]["labels"])] == ["dashboard"]
    assert monitor["endpoints"][0]["port"] == objects(name, "Service")["dashboard"]["spec"]["ports"][0]["name"]


Way = tuple[str, int]  # a component, or a peer as JSON; a port


def ways(name: str, component: str, direction: str) -> set[Way]:
    """What the policies let in to a component, or out of it."""
    labels, found = workloads(name)[component]["spec"]["template"]["metadata"]["labels"], set()
    policies = [one["spec"] for one in objects(name, "NetworkPolicy").values()]
    mine = [one for one in policies if matches(one["podSelector"], labels)]
    assert any(direction.capitalize() in one["policyTypes"] for one in mine), "else everything is let through"
    for rule in (rule for one in mine for rule in one.get(direction, ())):
        for peer in rule.get("from" if direction == "ingress" else "to", [{}]):
            near = peer.keys() == {"podSelector"} and chosen(name, peer["podSelector"])
            for there in near or [json.dumps(peer)]:
                found |= {(there, port["port"]) for port in rule["ports"]}
    return found


def test_nothing_is_let_through_but_what_each_needs() -> None:
    dns = {(json.dumps(peer), 53) for peer in VALUES["networkPolicy"]["dns"]}
    redis = {("redis", 6379)}
    [anywhere] = VALUES["networkPolicy"]["cameras"][0]["to"]
    assert ways("all", "worker", "egress") == dns | redis
    assert ways("all", "dashboard", "egress") == dns | redis
    assert ways("all", "streamer", "egress") == dns | redis | {(json.dumps(anywhere), port) for port in (554, 443)}
    assert ways("all", "redis", "egress") == set()
    assert ways("all", "redis", "ingress") == {(role, 6379) for role in ROLES}
    assert ways("all", "streamer", "ingress") == ways("all", "worker", "ingress") == set()
    watching = [*SETS["all"]["networkPolicy"]["page"], *VALUES["networkPolicy"]["prometheus"]]
    assert ways("all", "dashboard", "ingress") == {(json.dumps(peer), 8008) for peer in watching}
    assert ways("defaults", "dashboard", "ingress") == set()
    assert ways("elsewhere", "worker", "egress") == dns | {("{}", 6379), ("{}", 26379)}
    assert not objects("open", "NetworkPolicy")
    for component in workloads("all"):
        listened = {port["containerPort"] for port in container("all", component).get("ports", ())}
        assert {port for _, port in ways("all", component, "ingress")} == listened


def test_replicas_and_requests_are_the_cost_models() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    a_camera, a_crop = map(
        float, re.search(r"cores = cameras \* (\S+) \+ faces \* analysed_fps \* ([.\d]+)", page).groups()
    )  # type: ignore[union-attr]
    a_window = float(re.search(r"Valkey \| (\S+) ms of its one core a window", page)[1]) / 1000  # type: ignore[index]
    start, most = map(int, re.search(r"streamer memory \| (\d+) MB, and \d+ to (\d+) MB a camera", page).groups())  # type: ignore[union-attr]
    assert VALUES["cost"] == {"camera": a_camera, "crop": a_crop, "window": a_window, "free": 0.2}
    cameras, crops = 40, 40 * 2 * VALUES["load"]["analysisFps"]
    each = VALUES["streamer"]["camerasPerReplica"]
    streamers = objects("all", "Deployment")["streamer"]["spec"]["replicas"]
    assert streamers == math.ceil(cameras / each)
    streamer = container("all", "streamer")["resources"]
    assert cores(streamer) == pytest.approx(each * a_camera / 0.8, abs=0.001)
    assert streamer["requests"]["memory"] == f"{start + most * each + 100}Mi"
    assert streamer["limits"]["memory"] == f"{BASE_MB + CAMERA_MB * each}Mi"
    workers = objects("all", "ScaledObject")["worker"]["spec"]["minReplicaCount"]
    assert workers == math.ceil(crops * a_crop / 0.8)
    assert cores(container("all", "worker")["resources"]) == VALUES["worker"]["cores"]
    windows = crops / Settings().window.stride
    assert cores(container("all", "redis")["resources"]) == pytest.approx(windows * a_window / 0.8, abs=0.001)
    assert VALUES["load"]["analysisFps"] == 6.0
    alone = objects("cameras", "Deployment")
    assert [alone[role]["spec"]["replicas"] for role in ROLES] == [1, 1, 1]
    assert cores(container("cameras", "streamer")["resources"]) == pytest.approx(2 * a_camera / 0.8, abs=0.001)
    assert container("elsewhere", "dashboard")["resources"] == {"requests": {"cpu": 1}}


def cores(resources: Object) -> float:
    return int(resources["requests"]["cpu"].removesuffix("m")) / 1000


def test_redis_has_room_for_what_the_settings_let_in() -> None:
    plain, memory = Settings(), container("defaults", "redis")["resources"]
    mb = VALUES["redis"]["maxmemoryMb"]
    assert plain.streamer.queue_max_mb + plain.alerts.evidence_mb <= mb / 2
    assert (memory["requests"]["memory"], memory["limits"]["memory"]) == (f"{mb}Mi", f"{2 * mb}Mi")


def test_a_gpu_is_asked_for_where_wanted_only() -> None:
    spec = objects("elsewhere", "Deployment")["worker"]["spec"]
    held, one = pod("elsewhere", "worker"), container("elsewhere", "worker")
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert one["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert held["nodeSelector"] == {"zone": "b", "nvidia.com/gpu.present": "true"}
    assert held["tolerations"] == VALUES["worker"]["gpu"]["tolerations"]
    assert one["image"] == container("elsewhere", "streamer")["image"] + "-gpu"
    assert spec["replicas"] == 3
    assert "gpu" not in yaml.safe_dump_all(rendered("all"))


def test_workers_follow_the_age_of_the_oldest_window(tmp_path: Path) -> None:
    scaled = objects("all", "ScaledObject")["worker"]["spec"]
    [trigger] = scaled["triggers"]
    asked = trigger["metadata"]
    assert all(isinstance(value, str) for value in asked.values()), "KEDA takes texts only"
    assert (trigger["type"], trigger["metricType"], asked["ignoreNullValues"]) == ("prometheus", "Value", "false")
    assert float(asked["threshold"]) < WorkerSettings().target_age_s, "from there on it grows no more"
    target = objects("all", "Deployment")["worker"]
    assert scaled["scaleTargetRef"]["name"] == target["metadata"]["name"]
    assert "replicas" not in target["spec"], "an upgrade would undo what KEDA did"
    assert 1 <= scaled["minReplicaCount"] <= scaled["maxReplicaCount"]
    [metric] = re.findall(r"unmask_\w+(?=\{)", asked["query"])
    assert metric in exported()
    of = 'namespace="cams", job="mine-unmask-dashboard", instance='
    series = {
        f'{metric}{{{of}"one"}}': "2 0 1 3 4",  # 2 in the mean, with the first or without
        f'{metric}{{{of}"two"}}': "1 1 1 1 1",
        f'{metric}{{namespace="cams", job="other-unmask-dashboard", instance="three"}}': "9 9 9 9 9",
    }
    told = [{"series": name, "values": values} for name, values in series.items()]
    expected = {"expr": asked["query"], "eval_time": "1m", "exp_samples": [{"labels": "{}", "value": 2.0}]}
    nobody = {"expr": asked["query"], "eval_time": "1h", "exp_samples": []}
    case = {"interval": "15s", "input_series": told, "promql_expr_test": [expected, nobody]}
    (tmp_path / "case.yml").write_text(yaml.safe_dump({"rule_files": [], "tests": [case]}))
    result = promtool("test", "rules", tmp_path / "case.yml")
    assert result.returncode == 0, result.stdout + result.stderr


def test_monitoring_is_what_deploy_has_and_finds_the_job() -> None:
    rules = objects("all", "PrometheusRule")[""]
    assert rules["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))
    assert (CHART / "files" / "rules.yml").resolve() == RULES, "one source, no copy"
    job = objects("all", "Service")["dashboard"]["metadata"]["name"]  # what the operator makes the job of
    patterns = set(re.findall(r'job=~"([^"]*)"', RULES.read_text(encoding="utf-8")))
    assert all(re.fullmatch(pattern, job) for pattern in patterns)
    monitor = objects("all", "ServiceMonitor")[""]
    assert rules["metadata"]["labels"]["release"] == monitor["metadata"]["labels"]["release"] == "stack"
    token = VALUES["secrets"]["UNMASK_DASHBOARD__TOKEN"]
    authorization = monitor["spec"]["endpoints"][0]["authorization"]
    assert authorization["credentials"] == {"name": token["secret"], "key": token["key"]}
    assert "authorization" not in objects("elsewhere", "ServiceMonitor")[""]["spec"]["endpoints"][0]


def test_a_release_that_is_called_unmask_says_so_once() -> None:
    result = helm("template", "unmask-east", str(CHART), "--show-only", "templates/configmap.yaml")
    assert yaml.safe_load(result.stdout)["metadata"]["name"] == "unmask-east"


WRONG: dict[str, tuple[Object, tuple[str, ...]]] = {
    "kinds": (
        {"worker": {"core": 2}, "streamer": {"replicas": 0}, "redis": {"url": "redis://:pw@host"},
         "secrets": {"camera-user": {"secret": "a", "key": "b", "for": ["cook"]}}},
        ("core", "/streamer/replicas", "/redis/url", "camera-user", "/for/0"),
    ),
    "open": ({"secrets": {"UNMASK_DASHBOARD__TOKEN": None}}, ("open to everybody", "allow_anonymous")),
    "nowhere": ({"redis": {"enabled": False}}, ("redis.secret", "redis.url")),
    "few": ({"keda": {"enabled": True, "maxReplicas": 1}, "load": {"cameras": 99}}, ("maxReplicas is 1", "5 workers")),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_can_not_be_right_is_refused_by_name(name: str) -> None:
    values, words = WRONG[name]
    result = helm("template", "mine", str(CHART), values=values)
    assert result.returncode != 0
    assert [word for word in words if word not in result.stderr] == []


def blocks() -> Iterator[Object]:
    for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        yield yaml.safe_load(text)


def test_the_values_in_the_docs_are_taken_and_the_notes_tell_what_is_waited_for() -> None:
    first, *others = blocks()
    assert len(others) >= 2
    for more in others:
        result = helm("install", "mine", str(CHART), "--dry-run=client", values=first | more)
        assert result.returncode == 0, result.stderr
        notes = result.stdout.rpartition("NOTES:")[2]
        for secret in first["secrets"].values():
            assert f"{secret['secret']}, key {secret['key']}" in notes
        assert "service/mine-unmask-dashboard 8008:8008" in notes


def test_what_the_docs_name_is_a_value_of_the_chart_or_a_setting() -> None:
    example = yaml.safe_load((ROOT / "unmask.example.yaml").read_text(encoding="utf-8"))
    named = re.findall(rf"`((?:{'|'.join(VALUES)})(?:\.\w+)+)`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 20
    unknown = [one for one in named if not (there(VALUES, one) or there(example, one.removeprefix("settings.")))]
    assert unknown == []


def there(values: Object, path: str) -> bool:
    at: Any = values
    for key in path.split("."):
        if not isinstance(at, dict) or key not in at:
            return False
        at = at[key]
    return True
