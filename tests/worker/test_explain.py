"""Explanations with a real Valkey and a real, tiny network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
import structlog
import torch
from msgspec.structs import replace

from tests.dashboard.feed import alert_event
from tests.worker.making import settings, tiny_checkpoint, window
from wire import evidence
from wire.evidence import EvidenceStore
from wire.keys import Keys
from wire.messages import Evidence, Explanation
from wire.settings import AlertSettings
from worker.explain import MOST, PATIENCE_S, Explainer
from worker.occlusion import CELLS
from worker.scorer import Scorer

ALERTS = AlertSettings()


class Bench:
    """An explainer with a clock that is set by hand."""

    def __init__(self, bus: redis.Redis, keys: Keys, checkpoint: Path) -> None:
        self.bus, self.keys, self.now = bus, keys, 1000.0
        self.scorer = Scorer(settings(checkpoint))
        self.explainer = Explainer(
            bus, keys, ALERTS, self.scorer, lambda camera: 0.5 if camera == "door" else 0.0, lambda: self.now,
            structlog.get_logger(),
        )  # fmt: skip

    def opens(self, id: str, jpeg: bytes | None = None, keep: bool = True) -> Evidence:
        """An alert opens, as the commit writes it."""
        seen = window(captured=1000.0)
        frames = tuple(replace(frame, jpeg=jpeg or frame.jpeg) for frame in seen.frames)
        kept = Evidence(
            alert=id, window=seen.id, model="tiny", threshold=0.5, p_fake=0.9, quality=seen.quality,
            frame_size=seen.frame_size, frames=frames,
        )  # fmt: skip
        if keep:
            EvidenceStore(self.keys, ALERTS).put(self.bus, kept, self.now)
        self.explainer.take([alert_event(id)])
        return kept

    def explained(self, id: str) -> Explanation | None:
        parts: Any = self.bus.hgetall(self.keys.evidence(id))
        return evidence.read(parts, Explanation)


@pytest.fixture
def bench(bus: redis.Redis, keys: Keys, tmp_path: Path) -> Bench:
    return Bench(bus, keys, tiny_checkpoint(tmp_path / "tiny.safetensors"))


def test_piece_by_piece_an_alert_is_explained(bench: Bench) -> None:
    kept = bench.opens("a1")
    pieces = 0
    while bench.explainer.step():
        pieces += 1
    found = bench.explained("a1")
    assert found is not None
    covers = 1 + CELLS * CELLS
    assert pieces >= 1 + covers // bench.scorer.chunk, "no step encodes more than a chunk"
    assert len(found.frame_scores) == len(kept.frames)
    assert found.frame_scores[found.peak] == max(found.frame_scores)
    assert [len(row) for row in found.grid] == [CELLS] * CELLS
    assert found.heat.startswith(b"\xff\xd8")
    assert found.sheet.startswith(b"\xff\xd8")
    images = bench.scorer.pixels([frame.jpeg for frame in kept.frames], kept.margin)
    logits = bench.scorer.frame_logits(bench.scorer.encode(images))
    expected = [bench.scorer.probability(logit + 0.5) for logit in logits]
    assert found.frame_scores == pytest.approx(expected, abs=1e-6), "the camera's shift counts"


def test_scoring_gives_way_only_to_what_has_waited(bench: Bench) -> None:
    assert not bench.explainer.overdue
    bench.opens("a1")
    assert not bench.explainer.overdue
    bench.now += PATIENCE_S
    assert bench.explainer.overdue
    while bench.explainer.step():
        pass
    assert not bench.explainer.overdue


def test_more_than_can_be_explained_go_without(bench: Bench) -> None:
    for number in range(MOST + 3):
        bench.opens(f"a{number}")
    while bench.explainer.step():
        pass
    assert [bench.explained(f"a{number}") is not None for number in range(MOST + 3)] == [True] * MOST + [False] * 3


def test_what_is_no_picture_and_what_is_no_longer_kept_are_left_behind(bench: Bench) -> None:
    bench.opens("broken", jpeg=b"nothing")
    bench.opens("gone", keep=False)
    bench.opens("good")
    while bench.explainer.step():
        pass
    assert bench.explained("broken") is None
    assert bench.explained("good") is not None


def test_a_device_that_fails_costs_the_explanation_not_the_worker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.opens("unlucky")
    bench.opens("good")
    with monkeypatch.context() as during:
        during.setattr(bench.scorer, "encode", lambda images: torch.empty(1 << 60))
        assert bench.explainer.step()
    while bench.explainer.step():
        pass
    assert bench.explained("unlucky") is None
    assert bench.explained("good") is not None


def test_only_openings_of_faces_count(bench: Bench) -> None:
    bench.explainer.take([alert_event(event="end"), alert_event(kind="offline", score=None)])
    assert not bench.explainer.step()


def test_a_redis_that_goes_away_costs_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.opens("a1")
    explainer = bench.explainer
    gone = redis.Redis(port=1)
    monkeypatch.setattr(explainer, "_bus", gone)
    with pytest.raises(redis.ConnectionError):
        explainer.step()
    monkeypatch.setattr(explainer, "_bus", bench.bus)
    while explainer.step():
        pass
    assert bench.explained("a1") is not None
    gone.close()
