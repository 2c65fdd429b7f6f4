"""How the log-odds of a detector of the operator's own and ours become one score. Pure.

Both are brought to one scale first, each divided by its temperature: ours are log-odds then, calibrated, and its should
be. Where it has none, `mean`, `max` and `weighted` fall back to ours alone, under our model's name, and `instead` says
`unsure`: no score is made up.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from wire.messages import Opinion, OpinionOutcome, Score
from wire.settings import DetectorSettings
from worker.calibration import probability
from worker.guest import Answer
from worker.verdict import verdict

WORDS: dict[OpinionOutcome, str] = {
    "unsure": "is unsure", "failed": "failed", "late": "took too long", "down": "is not running",
}  # fmt: skip


class Ensemble:
    """The rule for one detector beside one checkpoint. `suspect` and `fake` are the thresholds of its scores."""

    def __init__(
        self, settings: DetectorSettings, detector: str, version: str, model: str, temperature: float,
        suspect: float, fake: float,
    ) -> None:  # fmt: skip
        self._settings, self._detector, self._version = settings, detector, version
        self._temperature = temperature
        self.measured = settings.suspect is not None and settings.fake is not None
        self.suspect, self.fake = settings.suspect or suspect, settings.fake or fake
        self._ours = model
        name = f"{detector}-{version}"
        self.model = name if self.instead else f"{model}+{name}:{settings.rule}"

    @property
    def instead(self) -> bool:
        """Whether ours is not asked."""
        return self._settings.rule == "instead"

    def judge(self, score: Score, answer: Answer) -> Score:
        """Our score of a window with the detector's `answer`; where ours is not asked, nothing but its doubt counts."""
        ours = None if self.instead else score.logit
        opinion = Opinion(
            detector=self._detector, version=self._version, rule=self._settings.rule, outcome=answer.outcome,
            logit=answer.logit, ours=ours,
        )  # fmt: skip
        if answer.logit is None and not self.instead:
            return msgspec.structs.replace(score, opinion=opinion)
        odds = 0.0 if answer.logit is None else self.odds(score.logit / self._temperature, answer.logit)
        p_fake = probability(odds, 1.0)
        reason = score.reason or (f"{self._detector} {WORDS[answer.outcome]}" if answer.logit is None else "")
        return msgspec.structs.replace(
            score, logit=odds * self._temperature, p_fake=p_fake, shift=UNSET, model=self.model, opinion=opinion,
            reason=reason, verdict="unsure" if reason else verdict(p_fake, self.suspect, self.fake),
        )  # fmt: skip

    def odds(self, ours: float, logit: float) -> float:
        """The ensemble's log-odds from ours, calibrated, and the detector's logit."""
        its, weight = logit / self._settings.temperature, self._settings.weight
        match self._settings.rule:
            case "instead":
                return its
            case "max":
                return max(ours, its)
            case "mean":
                return (ours + its) / 2
            case "weighted":
                return (1 - weight) * ours + weight * its
