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
from pathlib import Path

from msgspec.structs import replace

from tests.compose.stack import ALERTS, Stack, until
from tests.faults.rig import Subscriber
from tests.faults.verdict import SETTLED, expected
from wire.settings import AlertSettings
from worker.level import Rules

WORKERS, STREAMERS, CAMERAS = 3, 2, 4
RULES = replace(Rules.of(AlertSettings(**ALERTS), 0.0, 0.0), hold_s=0)  # type: ignore[arg-type]


def main() -> int:
    """Run everything; the figures go to standard output as JSON. Raises where something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    engine = "docker" if shutil.which("docker") else "podman"
    parser.add_argument("--compose", default=f"{engine} compose", help="the command, as 'docker compose'")
    parser.add_argument("--engine", default=engine, help="the command beneath, as docker")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="unmask-compose-") as folder:
        stack = Stack(asked.compose.split(), asked.engine, Path(folder), CAMERAS)
        try:
            figures = check(stack)
        finally:
            stack.compose("down", "-v")
    print(json.dumps(figures, indent=2))
    return 0


def check(stack: Stack) -> dict[str, object]:
    """The figures."""
    figures: dict[str, object] = {}
    began = time.time()
    stack.compose("up", "-d", "--no-build", "--scale", f"worker={WORKERS}", "--scale", f"streamer={STREAMERS}")
    subscriber = stack.subscribe()
    try:
        until(lambda: stack.ready(worker=WORKERS, streamer=STREAMERS), "every service is ready")
        figures["ready_s"] = say("every service is ready", time.time() - began)
        until(subscriber.alerts, "an alert at the subscriber")
        figures["first_alert_s"] = say("an alert at the subscriber", time.time() - began)
        healthy = [name for name in ("redis", "streamer", "worker", "dashboard") if stack.healthy(name)]
        figures["healthy"] = healthy
        assert len(healthy) == 4, healthy
        killed = {name: stack.containers(name)[0] for name in ("worker", "streamer")}
        figures["worker and streamer killed"] = lost(stack, subscriber, killed.values())
        for name in ("worker", "streamer", "dashboard", "redis"):
            figures[f"{name} killed"] = lost(stack, subscriber, stack.containers(name))
        stack.compose("stop", "streamer")
        figures |= accounted(stack)
        figures |= alerts(stack, subscriber)
    finally:
        subscriber.close()
    return figures


def lost(stack: Stack, subscriber: Subscriber, containers: object) -> float:
    """Kill them; seconds until a window made afterwards has its score at the subscriber and every service is back."""
    at = time.time()
    names = list(containers)  # type: ignore[call-overload]
    for one in names:
        stack.kill(one)
    until(lambda: subscriber.scored_since(at), "scores arrive again")
    blind = (subscriber.scored_since(at) or 0) - at
    until(lambda: stack.ready(worker=WORKERS, streamer=STREAMERS), "every service is back")
    say(f"{len(names)} killed; scores again after {blind:.1f} s, everything back", time.time() - at)
    time.sleep(8)  # alerts open and end
    return round(blind, 1)


def accounted(stack: Stack) -> dict[str, object]:
    """Every window made has one outcome, once nothing is on its way."""
    until(lambda: stack.metrics().get("unmask_queue_windows") == 0, "nothing is queued")
    time.sleep(6)  # longer than a track is waited for, so that its alert ends
    samples = stack.metrics()
    found = {name: int(samples.get(f'unmask_windows_total{{outcome="{name}"}}', 0)) for name in ("made", *SETTLED)}
    assert found["made"] == sum(found[name] for name in SETTLED) > 0, found
    return {"windows": found}


def alerts(stack: Stack, subscriber: Subscriber) -> dict[str, object]:
    """The subscriber has the stream's events, each once; the alerts are those that the pure logic opens on the scores."""
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
