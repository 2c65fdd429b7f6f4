"""`make compose`: brings the Compose stack up for real, kills what it consists of, and checks that nothing was lost.

Needs the image, Docker or Podman with its compose command, and the right to kill a container's process (root).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from tests.compose.stack import ALERTS, Stack, until
from tests.faults.rig import Subscriber
from tests.faults.verdict import SETTLED, expected
from wire.heartbeat import TTL_S
from wire.settings import AlertSettings
from worker.level import Rules

WORKERS, STREAMERS, CAMERAS = 3, 2, 4
SETTLE_S = 8.0  # an alert of a track that is gone has ended by then, and one of a new track has opened
RULES = replace(Rules.of(AlertSettings(**ALERTS), 0.0, 0.0), hold_s=0)


def main() -> int:
    """Run everything; the figures go to standard output as JSON. Raises where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    engine = "docker" if shutil.which("docker") else "podman"
    parser.add_argument("--compose", default=f"{engine} compose", help="the command, as 'docker compose'")
    parser.add_argument("--engine", default=engine, help="the command beneath, as docker")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unmask-compose-") as folder:
        stack = Stack(
            asked.compose.split(),
            asked.engine,
            Path(folder),
            CAMERAS,
            UNMASK_WORKERS=WORKERS,
            UNMASK_STREAMERS=STREAMERS,
        )
        try:
            figures = check(stack)
        finally:
            stack.compose("down", "-v")
    print(json.dumps(figures, indent=2))
    return 0


def check(stack: Stack) -> dict[str, object]:
    """The figures."""
    figures: dict[str, object] = {}
    others = [word for name in ("gpu", "monitoring", "restream", "mqtt") for word in ("--profile", name)]
    stack.compose(*others, "config")
    began = time.time()
    stack.compose("up", "-d", "--no-build")
    subscriber = stack.subscribe()
    try:
        until(lambda: stack.ready(worker=WORKERS, streamer=STREAMERS), "every service is ready")
        figures["ready_s"] = say("every service is ready", time.time() - began)
        until(subscriber.alerts, "an alert at the subscriber")
        figures["first_alert_s"] = say("an alert at the subscriber", time.time() - began)
        healthy = [name for name in ("redis", "streamer", "worker", "dashboard") if stack.healthy(name)]
        figures["healthy"] = healthy
        assert len(healthy) == 4, healthy
        one_of_each = [stack.containers(name)[0] for name in ("worker", "streamer")]
        figures["a worker and a streamer killed"] = killed(stack, subscriber, one_of_each)
        for name in ("worker", "streamer", "dashboard", "redis"):
            figures[f"every {name} killed"] = killed(stack, subscriber, stack.containers(name))
        stack.compose("stop", "streamer")
        figures |= accounted(stack)
        figures |= alerts(stack, subscriber)
    finally:
        subscriber.close()
    return figures


def killed(stack: Stack, subscriber: Subscriber, containers: Sequence[str]) -> dict[str, float]:
    """Kill them. Seconds until the subscriber has the score of a window made since, and until every service is back."""
    at = time.time()
    before = {one: stack.kill(one) for one in containers}
    until(lambda: subscriber.scored_since(at), "scores arrive again")
    blind = (subscriber.scored_since(at) or 0) - at
    until(lambda: all(stack.pid(one) not in (0, pid) for one, pid in before.items()), "each was started again")
    time.sleep(TTL_S)  # until what died has been forgotten
    until(lambda: stack.ready(worker=WORKERS, streamer=STREAMERS), "every service is ready again")
    back = time.time() - at
    say(f"killed {len(before)}; scores again after {blind:.1f} s; every service ready", back)
    time.sleep(SETTLE_S)
    return {"scores_s": round(blind, 1), "all_ready_s": round(back, 1)}


def accounted(stack: Stack) -> dict[str, object]:
    """Every window made has one outcome, once nothing is on its way."""
    until(lambda: stack.metrics().get("unmask_queue_windows") == 0, "nothing is queued")
    time.sleep(SETTLE_S)
    samples = stack.metrics()
    found = {name: int(samples.get(f'unmask_windows_total{{outcome="{name}"}}', 0)) for name in ("made", *SETTLED)}
    assert found["made"] == sum(found[name] for name in SETTLED) > 0, found
    return {"windows": found}


def alerts(stack: Stack, subscriber: Subscriber) -> dict[str, object]:
    """The subscriber has the stream's events, each once; the alerts are what the pure logic makes of the scores."""
    scores, told = stack.streams()
    until(lambda: {one.cursor for one in subscriber.alerts()} >= told.keys(), "every event is at the subscriber", 20)
    got = Counter(one.cursor for one in subscriber.alerts())
    assert got.keys() == told.keys(), got.keys() ^ told.keys()
    assert max(got.values()) == 1, "an event came twice"
    assert max(Counter(score.window for score in scores).values()) == 1, "a window was scored twice"
    opened = Counter(one.alert.id for one in told.values() if one.event == "new")
    ended = Counter(one.alert.id for one in told.values() if one.event == "end")
    wanted = expected(scores, {score.track for score in scores}, RULES)
    assert opened == Counter(wanted), (opened, wanted)
    assert ended == opened, "each has ended, once"
    return {"alerts": len(opened), "alert_events": len(told), "scores": len(scores)}


def say(what: str, seconds: float) -> float:
    """Progress, for who watches."""
    print(f"{seconds:6.1f} s  {what}", file=sys.stderr, flush=True)
    return round(seconds, 1)


if __name__ == "__main__":
    sys.exit(main())
