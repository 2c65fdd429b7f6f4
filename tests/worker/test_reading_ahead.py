"""Several workers share a stream that has piled up: how far apart in time do they take one track's windows?"""

from __future__ import annotations

import heapq
from collections import defaultdict

import pytest

from tests.worker.making import PATIENT
from wire.settings import AlertSettings, WorkerSettings
from worker.choice import Choice

HOLD_S = AlertSettings().hold_s
Piled = tuple[str, int]  # camera, number


def waits(workers: int, window_s: float, piled: int, expected: float = 1.0, **changed: float) -> list[float]:
    """How long each score waits for the one before it of its camera. `piled` windows of four cameras stand in the
    stream when the workers begin, each of which takes `window_s` for one, and expects that times `expected`."""
    stream: list[Piled] = [(f"c{n % 4}", n // 4) for n in range(piled)]
    settings, at, scored = WorkerSettings(**{**PATIENT, **changed}), 0, dict[Piled, float]()
    choices = [
        Choice[Piled](settings, lambda _: 0.0, lambda _: 1000, lambda one: one[0], HOLD_S, expected * window_s)
        for _ in range(workers)
    ]
    free = [(0.0, worker) for worker in range(workers)]
    while free:
        now, worker = heapq.heappop(free)
        choice = choices[worker]
        choice.divide()
        room = choice.room()
        read, at = stream[at : at + room], min(len(stream), at + room)
        choice.read(len(read) == room)
        for one in read:
            choice.add(one[0], one, now, 0.0)
        items, shed, _ = choice.take(now, idle=True)
        assert not shed
        if items:
            took = window_s * len(items)
            choice.took(took, len(items))
            scored |= dict.fromkeys(items, now + took)
            heapq.heappush(free, (now + took, worker))
    assert len(scored) == piled
    by_camera = defaultdict[str, list[float]](list)
    for (camera, _), when in sorted(scored.items()):
        by_camera[camera].append(when)
    return [max(times[:n]) - times[n] for times in by_camera.values() for n in range(1, len(times))]


@pytest.mark.parametrize("window_s", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("expected", [0.5, 1.0, 4.0])
def test_no_score_is_given_up_while_another_worker_holds_those_before_it(window_s: float, expected: float) -> None:
    assert max(waits(3, window_s, 200, expected)) < HOLD_S


def test_a_worker_alone_keeps_the_order() -> None:
    assert max(waits(1, 0.1, 200)) <= 0


def test_where_a_window_takes_little_much_is_chosen_from() -> None:
    choice = Choice[Piled](WorkerSettings(), lambda _: 0.0, lambda _: 1000, lambda one: one[0], HOLD_S, 0.004)
    assert choice.room() == 4 * WorkerSettings().batch
