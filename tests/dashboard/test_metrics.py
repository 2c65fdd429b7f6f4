from __future__ import annotations

import re
from pathlib import Path

from dashboard.metrics import Metrics
from dashboard.system import OUTCOMES, STAGES

TEXT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")


def families() -> dict[str, str]:
    """Name as Prometheus sees it, and type."""
    found = Metrics().registry.collect()
    return {family.name + "_total" * (family.type == "counter"): family.type for family in found}


def test_every_metric_is_documented_and_nothing_else() -> None:
    assert set(re.findall(r"`(unmask_\w+)", TEXT)) == families().keys()


def test_every_outcome_and_stage_is_documented() -> None:
    for name in (*OUTCOMES, *STAGES):
        assert f"`{name}`" in TEXT, name


def test_names_follow_prometheus() -> None:
    for name, kind in families().items():
        assert re.fullmatch(r"unmask_[a-z_]+", name)
        assert name.endswith("_total") == (kind == "counter"), name
        assert kind != "histogram" or name.endswith("_seconds"), name
