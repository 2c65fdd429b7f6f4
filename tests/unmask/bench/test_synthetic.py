"""A worker without a network: its scores are what its features say, be they new or out of a cache."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unmask.bench.test_feed import CROPS
from unmask.bench import fakes
from unmask.bench.feed import tracks
from unmask.bench.synthetic import Synthetic
from wire.settings import Settings
from worker.features import unique_ids


def test_a_camera_that_shows_a_fake_scores_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fakes, "OF", 3)
    scorer = Synthetic(Settings())
    windows = [track.next(1.0) for track in tracks(12, 1, epoch=5, frames=16, stride=4, pool=CROPS)]
    shown = {window.camera for window in windows if fakes.logit(window.camera) > 0}
    assert 0 < len(shown) < 12
    scores = scorer.score(windows)
    assert {score.camera for score in scores if score.verdict == "fake"} == shown
    assert {score.verdict for score in scores if score.camera not in shown} == {"clean"}


def test_what_is_known_is_not_made_up_again() -> None:
    scorer = Synthetic(Settings())
    (track,) = tracks(1, 1, epoch=5, frames=16, stride=4, pool=CROPS)
    window = track.next(1.0)
    known = {name: np.full(scorer.config.feature_dim, fakes.SURE, np.float16) for name in unique_ids([window])[:12]}
    result = scorer.infer([window], known)
    assert list(result.fresh) == unique_ids([window])[12:]
    assert result.logits == ((12 * fakes.SURE + 4 * fakes.logit(window.camera)) / 16,)
