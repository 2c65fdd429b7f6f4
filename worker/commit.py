"""The commit: everything a batch decides becomes visible in one transaction, or nothing does.

The transaction watches the tracks it changes. Whoever decides about a window, be it the score, staleness or death,
writes the window's number into its track's state; so of two workers that hold the same window (one stalled, the other
took over), the second sees the number, or fails the watch, reads again and sees it. It then only acknowledges.

Accounting: made = scored + stale + dead + duplicate + trimmed + still queued. A `duplicate` is a second entry with a
window that is settled. An entry that another worker settled while we held it counts once, there.
What is no longer in the stream counts for nothing here, whoever took it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import msgspec
import redis
from redis.client import Pipeline

from wire.keys import FIELD, GROUP, Keys
from wire.messages import AlertEvent, DeadLetter, Evidence, Score, Trace, Window
from wire.redact import redact
from wire.settings import Settings
from worker import alerts, seqs
from worker.alerts import Told, TrackState
from worker.features import Feature, FrameId, RedisCache
from worker.level import Rules
from worker.openings import Openings, OpeningsStore
from worker.publish import Publisher, evidence, read_state, watch
from worker.queue import Entry

SCORES_MAXLEN = 20_000
DEAD_MAXLEN = 200  # a dead letter keeps its window whole, some 300 kB
TRIM_MARGIN = 0.8  # of the age at which the streamer trims: from there on an entry may be gone while we hold it

Outcome = Literal["scored", "stale", "dead", "duplicate"]
TrackId = tuple[str, str]


class Work(msgspec.Struct, frozen=True):
    """One window and what was decided: its score, or why it has none."""

    entry: Entry
    window: Window
    score: Score | None = None
    outcome: Literal["scored", "stale", "dead"] = "scored"
    error: str = ""

    @property
    def track(self) -> TrackId:
        """The track whose state the decision is written into."""
        return self.window.camera, self.window.track


@dataclass
class Plan:
    """What the transaction will write."""

    states: dict[TrackId, TrackState]
    openings: Openings
    scores: list[Score] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    evidence: list[Evidence | Trace] = field(default_factory=list)
    dead: list[Work] = field(default_factory=list)
    again: list[Work] = field(default_factory=list)  # settled before
    outcomes: Counter[Outcome] = field(default_factory=Counter)

    @property
    def events(self) -> list[AlertEvent]:
        """The transitions of alerts, in order."""
        return [told.event for told in self.told]


def plan(
    works: Iterable[Work], states: Mapping[TrackId, TrackState], openings: Openings, rules: Rules, now: float
) -> Plan:
    """Apply the decisions to the states as they were read, by capture time, and by number within a track."""
    made = Plan(dict(states), replace(openings, cameras=dict(openings.cameras)))
    for work in sorted(works, key=lambda work: (work.window.captured, work.window.seq)):
        state, seq = made.states[work.track], work.window.seq
        if seqs.contains(state.settled, seq):
            made.again.append(work)
            continue
        made.outcomes[work.outcome] += 1
        quiet = made.openings.quiet(work.window.camera)
        if work.score is None:
            state, told = alerts.settle(state, seq, rules, now, quiet)
        else:
            made.scores.append(work.score)
            state, told = alerts.step(state, work.score, rules, now, quiet)
        if work.outcome == "dead":
            made.dead.append(work)
        made.states[work.track] = state
        made.told += told
        made.openings.note(one.event for one in told)
    return made


class Ledger:
    """Commits decisions. Every method raises redis.RedisError with nothing changed, or with all of it changed."""

    def __init__(
        self,
        bus: redis.Redis,
        keys: Keys,
        settings: Settings,
        rules: Rules,
        cache: RedisCache,
        clock: Callable[[], float],
        consumer: str,
    ) -> None:
        self._bus, self._keys, self._rules, self._cache, self._clock = bus, keys, rules, cache, clock
        self._consumer = consumer
        self._publish, self._openings = Publisher(keys, settings), OpeningsStore(keys, settings.alerts)
        self._trimmable_s = TRIM_MARGIN * settings.streamer.queue_max_age_s

    def settle(self, works: Sequence[Work], fresh: Mapping[FrameId, Feature] | None = None) -> Plan:
        """Commit `works` and the features computed on the way; what was written, the duplicates told apart."""
        each = list({work.entry.id: work for work in works}.values())
        while True:
            try:
                with self._bus.pipeline() as pipe:
                    return self._settle(pipe, each, fresh or {})
            except redis.WatchError:
                continue  # another worker's commit went through, so someone makes progress

    def bury(self, entry: Entry, error: str) -> bool:
        """Bury bytes that are no window, and so have no track to write into; False when another worker did."""
        while True:
            try:
                with self._bus.pipeline() as pipe:
                    watch(pipe, self._keys.windows)
                    if not self._exists(pipe, entry.id):
                        return False
                    pipe.multi()
                    self._dead_letter(pipe, entry, error, self._clock())
                    pipe.hincrby(self._keys.outcomes, "dead", 1)
                    self._acknowledge(pipe, [entry.id])
                    pipe.execute()
                    return True
            except redis.WatchError:
                continue

    def _settle(self, pipe: Pipeline, works: Sequence[Work], fresh: Mapping[FrameId, Feature]) -> Plan:
        now = self._clock()
        tracks = list(dict.fromkeys(work.track for work in works))
        cameras = list(dict.fromkeys(camera for camera, _ in tracks))
        marks = [self._keys.forgetting(camera) for camera in cameras]
        read = [*marks, *(self._keys.track(*track) for track in tracks), *self._openings.names(cameras)]
        watch(pipe, *read)
        raw = cast("list[bytes | None]", pipe.mget(read))
        forgotten = {camera: int(mark) for camera, mark in zip(cameras, raw, strict=False) if mark}
        raw = raw[len(cameras) :]
        there = self._there(pipe, works)
        held = [one for one in works if one.entry.id in there and not self._trimmed(pipe, one, forgotten, now)]
        fresh = _of_these(fresh, held) if forgotten else fresh
        states = {track: read_state(raw[at], *track) for at, track in enumerate(tracks)}
        made = plan(held, states, self._openings.parse(cameras, raw[len(tracks) :]), self._rules, now)
        at_hand = {(*work.track, work.window.seq): work.window for work in held}
        made.evidence = evidence(pipe, self._keys, made.told, at_hand)
        for work in made.again:
            watch(pipe, self._keys.windows)
            made.outcomes["duplicate"] += self._exists(pipe, work.entry.id)
        pipe.multi()
        self._cache.store(pipe, fresh)
        self._write(pipe, made, states, held, now)
        self._acknowledge(pipe, [work.entry.id for work in works])
        pipe.execute()
        return made

    def _write(
        self, pipe: Pipeline, made: Plan, before: Mapping[TrackId, TrackState], works: Sequence[Work], now: float
    ) -> None:
        windows: dict[TrackId, dict[int, bytes]] = {track: {} for track in made.states}
        for work in works:
            windows[work.track][work.window.seq] = work.entry.data
        for track, state in made.states.items():
            if state is not before[track]:
                due = alerts.due(state, self._rules)
                self._publish.state(pipe, before[track], state, due, windows[track])
        self._openings.write(pipe, made.openings, made.events)
        for score in made.scores:
            entry: dict[bytes, bytes] = {FIELD: score.encode()}
            pipe.xadd(self._keys.scores, entry, maxlen=SCORES_MAXLEN, approximate=True)  # type: ignore[arg-type]
        for event in made.events:
            self._publish.event(pipe, event)
        for part in made.evidence:
            self._publish.evidence(pipe, part, now)
        for work in made.dead:
            self._dead_letter(pipe, work.entry, work.error, now)
        for outcome, count in (+made.outcomes).items():
            pipe.hincrby(self._keys.outcomes, outcome, count)
        for name, count in Counter(one for score in made.scores if (one := _opinion(score))).items():
            pipe.hincrby(self._keys.detectors, name, count)

    def _there(self, pipe: Pipeline, works: Sequence[Work]) -> set[bytes]:
        """The entries that are in the stream. One may have been taken away while we held it, and counted, by its
        streamer or by another worker; or it went, uncounted, with what a server lost that was started again without its
        data, or that was not the primary yet. Neither a clock nor a broken connection tells of that for certain.

        Claimed, since that names them without their pictures.
        """
        ids: list[Any] = [work.entry.id for work in works]
        found = pipe.xclaim(self._keys.windows, GROUP, self._consumer, 0, ids, justid=True, force=True)
        return set(cast("list[bytes]", found))

    def _trimmed(self, pipe: Pipeline, work: Work, forgotten: Mapping[str, int], now: float) -> bool:
        """Whether an entry is taken away before we write: an old one by its streamer, one of a camera that was
        `forgotten` since. Watches the stream if so it might be. No other is asked for: nothing trims them."""
        entry = work.entry
        young = now - entry.entered < self._trimmable_s
        if young and round(1000 * entry.entered) > forgotten.get(work.window.camera, -1):
            return False
        watch(pipe, self._keys.windows)
        return not self._exists(pipe, work.entry.id)

    def _exists(self, pipe: Pipeline, id: bytes) -> bool:
        return bool(pipe.xrange(self._keys.windows, id, id, count=1))

    def _acknowledge(self, pipe: Pipeline, ids: Sequence[bytes]) -> None:
        pipe.xack(self._keys.windows, GROUP, *ids)
        pipe.xdel(self._keys.windows, *ids)

    def _dead_letter(self, pipe: Pipeline, entry: Entry, error: str, now: float) -> None:
        letter = DeadLetter(error=redact(error), deliveries=entry.deliveries, at=now, data=entry.data)
        fields: dict[bytes, bytes] = {FIELD: letter.encode()}
        pipe.xadd(self._keys.dead, fields, maxlen=DEAD_MAXLEN, approximate=True)  # type: ignore[arg-type]


def _opinion(score: Score) -> str:
    """The field of the count to which another detector's opinion belongs; "" where none was asked."""
    opinion = score.opinion
    return f"{opinion.detector} {opinion.version} {opinion.outcome}" if opinion else ""


def _of_these(fresh: Mapping[FrameId, Feature], works: Iterable[Work]) -> dict[FrameId, Feature]:
    """The features of the cameras of `works`."""
    cameras = {work.window.camera for work in works}
    return {name: feature for name, feature in fresh.items() if name[0] in cameras}
