"""A detector of the operator's own, asked about every batch while ours works on it: `worker.detector` names it.

It is a guest (`wire.guest`): nothing it does stops the worker, and no window waits for it longer than `timeout_s`.
While it is down its windows are decided without it, and it is started again after ever longer waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet

import msgspec

from wire.guest import Guest, GuestError
from wire.messages import OpinionOutcome, Window
from wire.plugins import find
from wire.settings import DetectorSettings, plain
from wire.telemetry import Log, Throttle
from worker.commit import Work
from worker.encoding import ASK_S, Abandoned
from worker.ensemble import Ensemble
from worker.guest import Answer, Asked, read
from worker.scorer import Inference, Scorer
from worker.trial import Decided

START_S = 120.0  # to load and warm up
WAITS_S = (1.0, 2.0, 5.0, 15.0, 60.0)  # before it is started again
HEALTHY_S = 60.0  # of work without a fall, after which the waits begin anew
LOG_S = 10.0

Asking = Future[list[Answer]]


class Second:
    """Asks the detector, and puts its answers and our scores together. Raises ConfigError where it is not installed."""

    def __init__(
        self, settings: DetectorSettings, scorer: Scorer, log: Log, waits_s: Sequence[float] = WAITS_S
    ) -> None:
        plugin = find("detector", settings.plugin or "", "worker.detector.plugin")
        self.ensemble = Ensemble(
            settings, plugin.name, plugin.version, scorer.model, scorer.temperature, scorer.suspect, scorer.fake
        )
        self._called, self._instead = str(plugin), self.ensemble.instead
        self._log = log.bind(detector=plugin.name, version=plugin.version)
        self._throttle, self._waits_s = Throttle(time.monotonic, LOG_S), waits_s
        self._guest = Guest("worker.guest", plugin, plain(settings.options), START_S, settings.timeout_s)
        self._asking = ThreadPoolExecutor(1, "detector")
        self._up, self._end = threading.Event(), threading.Event()
        self._why, self._falls, self._since = "", 0, 0.0
        unmeasured = (
            "" if self.ensemble.measured else f"nobody measured the false alarms of its thresholds with {plugin}"
        )
        self._caveats = "; ".join(filter(None, [unmeasured, "" if self._instead else scorer.caveat]))

    def warm_up(self) -> None:
        """Start it, and wait until it is warm, or until it is known that it does not start: it is tried again then."""
        try:
            self._guest.start()
        except GuestError as error:
            self._fell(error)
        else:
            self._rise()

    @property
    def caveat(self) -> str:
        """What must be known before a score is trusted, what is to be known of our checkpoint included."""
        if not self._up.is_set():
            instead = "every verdict is unsure" if self._instead else "scores are ours alone"
            why = f"detector {self._called} is not running ({self._why or 'starting'}): {instead}"
            return "; ".join(filter(None, [why, self._caveats]))
        return self._caveats

    def ask(self, windows: Sequence[Window]) -> Asking:
        """Begin to ask about these."""
        return self._asking.submit(self._ask, windows)

    def judge(
        self, decided: Decided, windows: Sequence[Window], asking: Asking, abandon: Callable[[], bool]
    ) -> Decided:
        """`decided` with the detector's answers about `windows`, which are waited for. Raises Abandoned."""
        answers = _wait(asking, abandon)
        by_id = {window.id: answer for window, answer in zip(windows, answers, strict=True)}
        return msgspec.structs.replace(decided, works=[self._judged(work, by_id) for work in decided.works])

    def _judged(self, work: Work, answers: Mapping[str, Answer]) -> Work:
        if work.score is None:
            return work
        return msgspec.structs.replace(work, score=self.ensemble.judge(work.score, answers[work.window.id]))

    def close(self) -> None:
        """End it; it is not started again."""
        self._end.set()
        self._guest.close()
        self._asking.shutdown()

    def _ask(self, windows: Sequence[Window]) -> list[Answer]:
        if not self._up.is_set():
            return [Answer("down")] * len(windows)
        try:
            request = msgspec.msgpack.encode([Asked.of(window) for window in windows])
            answers = read(self._guest.call(request), len(windows))
        except GuestError as error:
            outcome: OpinionOutcome = "late" if error.failure == "late" else "failed"
            answers = [Answer(outcome, error=error.reason)] * len(windows)
            if error.failure != "failed":
                self._fell(error)
                return answers
        failed = [answer.error for answer in answers if answer.error]
        if failed and (held := self._throttle.admit("failed")) is not None:
            self._log.warning("the detector failed", why=failed[0], windows=len(failed), batches_not_logged=held)
        return answers

    def _rise(self) -> None:
        self._since = time.monotonic()
        self._up.set()
        self._log.info("the detector is warm")

    def _fell(self, error: GuestError) -> None:
        """Say so, and see to it that it is started again."""
        self._up.clear()
        self._why = error.reason
        if self._end.is_set():
            return
        self._falls = 1 if time.monotonic() - self._since > HEALTHY_S and self._since else self._falls + 1
        wait = self._waits_s[min(self._falls, len(self._waits_s)) - 1]
        self._log.error("the detector is down", why=error.reason, again_s=wait)
        threading.Thread(target=self._again, args=(wait,), name="detector-start", daemon=True).start()

    def _again(self, wait: float) -> None:
        if not self._end.wait(wait):
            self.warm_up()
            if self._end.is_set():  # closed meanwhile
                self._guest.close()


def standby(windows: Sequence[Window], *_: object) -> Inference:
    """In the place of Scorer.infer where the rule does not ask it: logits that say nothing, and no feature."""
    return Inference((0.0,) * len(windows), {})


def _wait(asking: Asking, abandon: Callable[[], bool]) -> list[Answer]:
    while True:
        try:
            return asking.result(ASK_S)
        except NotYet:
            if asking.done():
                raise
            if abandon():
                raise Abandoned from None
