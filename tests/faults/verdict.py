"""What must hold after a fault: the accounting closes, and alerts are those that the pure logic makes of the scores."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from msgspec.structs import replace as changed

from tests.faults.load import Load
from tests.faults.rig import ALERTS, MOST_MB, Rig, until
from wire.messages import Score
from wire.settings import AlertSettings
from worker import alerts
from worker.alerts import TrackState
from worker.level import Rules

SETTLED = ("scored", "stale", "dead", "duplicate", "trimmed")
RULES = changed(Rules.of(AlertSettings(**ALERTS), 0.0, 0.0), hold_s=0)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Verdict:
    """Figures for the report."""

    accounted: float
    alerts_lost: int
    alerts_doubled: int
    windows: int = 0  # made under this load
    dropped: int = 0  # of those offered, by the publisher while Redis was away: counted, and never made
    alerts: int = 0
    dashboard_mb: float = 0.0  # the most it held, as the next two
    worker_mb: float = 0.0
    valkey_mb: float = 0.0


def accounted(rig: Rig) -> tuple[float, dict[str, int]]:
    """The share of the windows made whose outcome is known, by /metrics, once nothing is on its way any more."""

    def counts() -> dict[str, int]:
        samples = rig.metrics()
        found = {name: int(samples.get(f'unmask_windows_total{{outcome="{name}"}}', 0)) for name in ("made", *SETTLED)}
        return {**found, "queued": int(samples.get("unmask_queue_windows", -1))}

    def settled() -> dict[str, int] | None:
        found = counts()
        return found if found["queued"] == 0 and rig.pending() == 0 else None

    until(settled, "every window is settled", 40)
    found = counts()
    return (sum(found.values()) - found["made"]) / found["made"], found


def expected(scores: Iterable[Score], tracks: Collection[str], rules: Rules = RULES) -> set[str]:
    """Ids of the alerts that the pure logic opens on these scores, each track's in the order of its numbers."""
    by_track: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in scores:
        if score.track in tracks:
            by_track[score.camera, score.track].append(score)
    opened: set[str] = set()
    for (camera, track), own in by_track.items():
        state = TrackState(camera=camera, track=track)
        for score in sorted(own, key=lambda score: score.seq):
            state, told = alerts.step(state, score, rules, score.captured)
            opened |= {one.event.alert.id for one in told if one.event.event == "new"}
    return opened


@contextmanager
def judgeable(rig: Rig) -> Iterator[Load]:
    """A load for `judge`: it goes on until its scores have opened an alert, however soon the test is done with it."""
    with rig.load() as load:
        yield load
        until(lambda: expected(rig.scores(), load.tracks), "the scores of the load open an alert")


def judge(rig: Rig, load: Load, before: int = 0, ends: bool = False) -> Verdict:
    """Wait until all is settled and told, and assert it. `ends`: also that each alert has ended, once."""
    share, found = accounted(rig)
    assert share == 1.0, found
    scores = rig.scores()
    twice = [name for name, count in Counter(score.window for score in scores).items() if count > 1]
    assert not twice, f"scored twice: {twice}"
    offered, made = len(load.offered), found["made"] - before
    # One whose reply was lost is counted as dropped and may be there all the same.
    assert offered - load.dropped <= made <= offered, (offered, load.dropped, made)
    unknown = {score.window for score in scores if score.track in load.tracks} - set(load.offered)
    assert not unknown
    opened = expected(scores, load.tracks)
    assert opened, "no alert: the load must be one of `judgeable`"
    verdict = _alerts(rig, opened, load.tracks, ends)
    return replace(verdict, accounted=share, windows=made, dropped=load.dropped, alerts=len(opened))


def told_as_scored(rig: Rig, scores: Collection[Score]) -> Verdict:
    """Assert that the alerts told are those that these scores make; for tracks that no load has made."""
    tracks = {score.track for score in scores}
    opened = expected(scores, tracks)
    return replace(_alerts(rig, opened, tracks, ends=False), alerts=len(opened))


def _alerts(rig: Rig, opened: set[str], tracks: Collection[str], ends: bool) -> Verdict:
    kinds = ("new", "end") if ends else ("new",)

    def seen() -> Counter[tuple[str, str]]:
        return Counter((m.alert.id, m.event) for m in rig.subscriber.alerts() if m.alert.track in tracks)

    wanted = {(alert, kind) for alert in opened for kind in kinds}
    until(lambda: wanted <= seen().keys(), f"{wanted} at the subscriber, not only {seen()}")
    until(lambda: _cursors(rig).keys() >= rig.told().keys(), "every event of the stream at the subscriber")
    doubled = sum(count - 1 for (_, kind), count in seen().items() if kind in ("new", "end"))
    doubled += sum(count - 1 for count in _cursors(rig).values())
    doubled += len({alert for alert, kind in seen() if kind == "new"} - opened)  # one that should never have opened
    assert doubled == 0, seen()
    return Verdict(1.0, len(wanted - seen().keys()), doubled, **_bounded(rig))


def _bounded(rig: Rig) -> dict[str, float]:
    """How much memory each held at most: whatever broke, it is bounded."""
    found = rig.peak_mb()
    assert all(found[name] < most for name, most in MOST_MB.items()), found
    return {f"{name}_mb": megabytes for name, megabytes in found.items()}


def _cursors(rig: Rig) -> Counter[str]:
    return Counter(message.cursor for message in rig.subscriber.alerts())
