"""The benchmark in short: real server, real subscribers, nothing lost."""

from __future__ import annotations

import json
import subprocess

from tests.support.servers import unmask

KEYS = {"p50_ms", "p99_ms", "cpu", "rss_mb", "dropped_alerts", "doubled_alerts", "closed", "rss_growth_mb"}


def test_a_hundred_subscribers_get_every_event() -> None:
    command = unmask(
        "bench", "dashboard", "--json", "--subscribers", "100", "--seconds", "3", "--stalled", "0", "--users", "3"
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() >= KEYS
    assert (found["dropped_alerts"], found["doubled_alerts"], found["closed"]) == (0, 0, 0)
    assert 0 < found["p50_ms"] <= found["p99_ms"] < 2000, "generous: other tests may be running"
    assert 0 < found["cpu"] < 1
