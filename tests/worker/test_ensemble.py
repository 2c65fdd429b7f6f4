"""The rule by which another detector's log-odds and ours become one score."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from tests.worker.making import score
from wire.messages import Opinion, Score
from wire.settings import DetectorSettings
from worker.calibration import probability
from worker.ensemble import Ensemble
from worker.guest import Answer

OURS = replace(score(0, probability(1.5, 2.0)), logit=1.5)  # at a temperature of 2: .75


def judged(answer: Answer, ours: Score = OURS, **settings: Any) -> Score:
    asked = DetectorSettings(plugin="blur", **settings)
    return Ensemble(asked, "blur", "1.2", "tiny", 2.0, 0.6, 0.9).judge(ours, answer)


@pytest.mark.parametrize(
    ("settings", "odds"),
    [
        ({"rule": "instead"}, 4.0),
        ({"rule": "mean"}, (0.75 + 4) / 2),
        ({"rule": "max"}, 4.0),
        ({"rule": "weighted", "weight": 0.25}, 0.75 * 0.75 + 0.25 * 4),
        ({"rule": "mean", "temperature": 8.0}, (0.75 + 0.5) / 2),
    ],
)
def test_the_rules(settings: dict[str, Any], odds: float) -> None:
    made = judged(Answer("scored", 4.0), **settings)
    assert made.p_fake == pytest.approx(1 / (1 + math.exp(-odds)))
    assert probability(made.logit, 2.0) == pytest.approx(made.p_fake), "the logit is still before our temperature"
    instead = settings["rule"] == "instead"
    assert made.opinion == Opinion(
        detector="blur", version="1.2", rule=settings["rule"], outcome="scored", logit=4.0,
        ours=None if instead else 1.5,
    )  # fmt: skip
    assert made.model == ("blur-1.2" if instead else f"tiny+blur-1.2:{settings['rule']}")
    assert made.verdict == ("fake" if made.p_fake >= 0.9 else "suspect")


@pytest.mark.parametrize("outcome", ["unsure", "failed", "late", "down"])
def test_without_an_answer_ours_stands_alone_under_our_name(outcome: Any) -> None:
    for rule in ("mean", "max", "weighted"):
        made = judged(Answer(outcome), rule=rule)
        assert made.opinion
        assert made.opinion.outcome == outcome
        assert replace(made, opinion=OURS.opinion) == OURS


@pytest.mark.parametrize(
    ("outcome", "why"),
    [("unsure", "is unsure"), ("failed", "failed"), ("late", "took too long"), ("down", "is not running")],
)
def test_instead_of_ours_no_answer_is_unsure(outcome: Any, why: str) -> None:
    made = judged(Answer(outcome), rule="instead")
    assert (made.verdict, made.reason, made.p_fake) == ("unsure", f"blur {why}", 0.5)


def test_a_bad_picture_stays_unsure_whatever_the_detector_says() -> None:
    dark = replace(OURS, verdict="unsure", reason="too dark")
    made = judged(Answer("scored", 9.0), dark)
    assert (made.verdict, made.reason) == ("unsure", "too dark")


def test_thresholds_of_its_own() -> None:
    assert judged(Answer("scored", 0.0), rule="instead").verdict == "clean"
    assert judged(Answer("scored", 0.0), rule="instead", suspect=0.2, fake=0.4).verdict == "fake"
