"""What enrolment does on rigs, from made-up logits: who is enrolled, who is tried, and what a camera's offset costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask.evaluate.rig import (
    Seen,
    all_others_enrolled,
    one_enrolled,
    outcome,
    person_of,
    report,
    same_person,
    tried,
)
from wire.errors import UsageError
from worker.checkpoint import Meta, Threshold, Thresholds, Typical
from worker.model import ModelConfig
from worker.training.manifest import Clip

REAL = Typical(median=0.0, spread=1.0)
META = Meta(
    name="m", config=ModelConfig(), temperature=1.0, thresholds=Thresholds(Threshold(0.8, 0.05), Threshold(0.95, 0.01)),
    data_digest="", passes=0, metrics={}, baseline=True, created="", real=REAL, weights_sha256="0" * 64,
)  # fmt: skip


def rigs(person_effect: float) -> list[Seen]:
    """Two cameras, one scoring 2 higher than the other; five people before each, who differ by `person_effect`."""
    rng = np.random.default_rng(5)
    clips = []
    for camera, offset in (("high", 1.0), ("low", -1.0)):
        for person in range(5):
            own = offset + person_effect * rng.normal()
            for fake in (False, False, True, True):
                logits = own + 1.0 * fake + 0.3 * rng.normal(size=6)
                clips.append(Seen(camera, f"p{person}", fake, tuple(map(float, logits))))
    return clips


def test_nobody_is_tried_who_was_enrolled_of_the_others() -> None:
    clips = rigs(0.5)
    for regime, people in ((one_enrolled, 1), (all_others_enrolled, 4)):
        cases = list(regime(clips))
        assert len(cases) == 10
        for case in cases:
            assert {clip.camera for clip in case.enrolled} == {clip.camera for clip in case.tried}
            assert not {clip.person for clip in case.enrolled} & {clip.person for clip in case.tried}
            assert not any(clip.fake for clip in case.enrolled)
            assert case.people == len({clip.person for clip in case.enrolled}) == people


def test_of_the_same_person_no_clip_is_enrolled_and_tried() -> None:
    for case in same_person(rigs(0.5)):
        assert {clip.person for clip in case.enrolled} == {clip.person for clip in case.tried}
        assert not set(case.enrolled) & set(case.tried)
        assert {clip.fake for clip in case.tried} == {False, True}


def test_where_cameras_differ_a_reference_gains_and_where_people_do_the_whole_difference_loses() -> None:
    def gains(person_effect: float) -> dict[str, float]:
        cases = list(one_enrolled(rigs(person_effect)))
        without = tried(cases, META, REAL, "none")
        return {how: outcome(tried(cases, META, REAL, how), without, META).auc_gain.value
                for how in ("none", "reference", "whole")}  # fmt: skip

    cameras, people = gains(0.0), gains(4.0)
    assert cameras["none"] == people["none"] == 0.0
    assert cameras["whole"] > cameras["reference"] > 0.02
    assert people["whole"] < people["reference"]


def test_the_report_names_cameras_and_all_regimes() -> None:
    found: dict[str, Any] = report(rigs(0.5), META)
    assert {"same_person", "other_people_one_enrolled", "other_people_rest_enrolled"} < found.keys()
    assert found["cameras"]["high"]["people"] == 5
    assert 0.5 < found["cameras"]["high"]["median"] < 1.5
    high = [clip for clip in rigs(0.5) if clip.camera == "high" and clip.person == "p0"]
    assert "other_people_one_enrolled" not in report(high, META)


def test_without_the_checkpoint_s_real_windows_there_is_nothing_to_measure() -> None:
    with pytest.raises(UsageError, match=r"worker\.training real"):
        report(rigs(0.5), Meta(**{name: getattr(META, name) for name in META.__struct_fields__} | {"real": None}))


def test_who_a_clip_shows() -> None:
    clip = Clip(path=Path("a.mp4"), label="real", group="g1", name="a.mp4", shows="made of W009_front_sad.mp4")
    assert person_of(clip, r"[MW]\d{3}") == "W009"
    assert person_of(clip, "nobody") == person_of(clip, "") == "g1"
    assert person_of(Clip(path=Path("a.mp4"), label="real", person="ann", group="g1"), r"[MW]\d{3}") == "ann"
