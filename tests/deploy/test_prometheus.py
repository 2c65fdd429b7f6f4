"""Metrics, alert rules and the board, judged by promtool: Prometheus's own parser, linter and rule engine."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import yaml

from dashboard.load import memory
from dashboard.metrics import STREAMS, Metrics
from dashboard.notify.courier import OUTCOMES as DELIVERIES
from dashboard.system import OUTCOMES, STAGES
from tests.support.servers import missing
from wire.messages import CameraStatus, CameraVerdict

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
BOARD = ROOT / "deploy" / "grafana" / "unmask.json"
CASES = Path(__file__).with_name("rules_test.yml")
VALUES = {
    "outcome": {*OUTCOMES, *DELIVERIES}, "stage": set(STAGES), "stream": set(STREAMS),
    "role": {"streamer", "worker", "dashboard"}, "verdict": set(CameraVerdict.__args__),  # type: ignore[attr-defined]
    "state": set(CameraStatus.__args__),  # type: ignore[attr-defined]
}  # fmt: skip


def promtool(*arguments: str | Path, text: str | None = None, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        missing("promtool is not installed (Debian: prometheus)")
    command = ["promtool", *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, cwd=cwd, timeout=60, check=False)


def full() -> Metrics:
    """Every family with a series: promtool sees only what is exposed."""
    metrics = Metrics()
    metrics.outcomes.counts = dict.fromkeys(OUTCOMES, 1)
    for gauge in (
        metrics.batch_fill,
        metrics.busy,
        metrics.cameras,
        metrics.verdicts,
        metrics.services,
        metrics.reviews,
    ):
        gauge.labels("x")
    metrics.stages.labels("total").observe(0.1)
    metrics.latency.observe(0.1)
    metrics.sent.labels("alert")
    metrics.notifications.labels("mail", "delivered")
    return metrics


def exported() -> dict[str, set[str]]:
    """Names as PromQL sees them, and the labels of each."""
    found: dict[str, set[str]] = {"up": {"job", "instance"}}
    for family in full().registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def board_expressions() -> list[str]:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> list[str]:
    return [*(rule["expr"] for rule in rules()), *board_expressions()]


def test_the_linter_finds_nothing_in_the_names() -> None:
    result = promtool("check", "metrics", text=full().render().decode())
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    bad = promtool("check", "metrics", text="# TYPE unmask_waits_milliseconds counter\nunmask_waits_milliseconds 1\n")
    assert bad.returncode != 0


def test_the_rules_are_valid_and_fire_when_they_should() -> None:
    assert promtool("check", "rules", RULES).returncode == 0
    result = promtool("test", "rules", CASES)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_rule_has_a_case_in_which_it_fires_and_a_remedy() -> None:
    text = CASES.read_text(encoding="utf-8")
    for rule in rules():
        assert f'alertname="{rule["alert"]}"' in text, rule["alert"]
        assert rule["annotations"].keys() == {"summary", "remedy"}
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_every_alert_is_explained() -> None:
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(Unmask\w+)`", page)) == {rule["alert"] for rule in rules()}


def test_every_expression_names_what_is_exported() -> None:
    known, told = exported(), set()
    for expression in expressions():
        names = set(re.findall(r"\b(?:unmask_\w+|up)\b(?=[{[) ]|$)", expression))
        assert names, expression
        assert names <= known.keys(), expression
        told |= names
        for name, selector in re.findall(r"(unmask_\w+)\{([^}]*)\}", expression):
            for label, value in re.findall(r'(\w+)(?:=~|=|!=|!~)"([^"]*)"', selector):
                assert label in known[name] | {"job", "instance"}, expression
                values = VALUES.get(label, set(value.split("|")))
                assert set(value.split("|")) <= values, expression
    shown = set(re.findall(r"unmask_\w+", " ".join(board_expressions())))
    families = {name for name in known if not name.endswith(("_created", "_sum", "_count")) and name != "up"}
    assert families <= shown, "what is exported and not on the board"


def test_every_expression_on_the_board_is_promql(tmp_path: Path) -> None:
    parsed = tmp_path / "board.yml"

    def check(found: list[str]) -> int:
        plain = [one.replace("$__rate_interval", "1m").replace("$job", ".*") for one in found]
        recorded = [{"record": f"board:{number}", "expr": one} for number, one in enumerate(plain)]
        parsed.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": recorded}]}))
        return promtool("check", "rules", parsed).returncode

    assert check(board_expressions()) == 0
    assert check(["sum by (le (unmask_redis_up)"]) != 0


def test_the_boards_panels_have_room_and_a_source() -> None:
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not mine & cells, panel["title"]
        assert all(x < 24 for x, _ in mine)
        assert panel["description"]
        cells |= mine
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${source}"}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert [variable["name"] for variable in board["templating"]["list"]] == ["source", "job"]


def test_what_a_real_server_says_of_its_memory(redis_url: str, bus: redis.Redis) -> None:
    async def ask() -> tuple[int, int]:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            return await memory(client)

    bus.config_set("maxmemory", "123mb")
    try:
        used, limit = asyncio.run(ask())
    finally:
        bus.config_set("maxmemory", 0)
    assert limit == 123 * 1024 * 1024
    assert 100_000 < used < limit


@pytest.mark.parametrize("name", ["unmask_undecodable_total"])
def test_a_counter_begins_at_nought(name: str) -> None:
    """Else the first increase is none for Prometheus, and nobody is woken."""
    samples = [sample for family in Metrics().registry.collect() for sample in family.samples if sample.name == name]
    assert {sample.labels["stream"]: sample.value for sample in samples} == dict.fromkeys(STREAMS, 0.0)
