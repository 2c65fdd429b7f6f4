import time
from typing import Any

import pytest
import redis

from wire.keys import FIELD, Keys
from wire.messages import Alert, AlertEvent
from wire.settings import Settings
from worker.alerts import TrackState
from worker.publish import DAY_S, Publisher, due_member, read_state, split_member, watch


def event(at: float) -> AlertEvent:
    alert = Alert(
        id="door-1-0-3", camera="door", track="1-0", kind="spike", severity="warning", started=at, updated=at,
        score=0.9, peak=0.9, mean=0.9, windows=1, threshold=0.8, model="tiny",
    )  # fmt: skip
    return AlertEvent(event="new", at=at, alert=alert)


@pytest.mark.parametrize("track", ["1-0", "a:b", "ümlaut"])
def test_a_member_is_split_as_it_was_joined(track: str) -> None:
    assert split_member(due_member("door", track).encode()) == ("door", track)


def test_events_older_than_the_retention_are_trimmed(bus: redis.Redis, keys: Keys) -> None:
    publisher = Publisher(keys, Settings())
    now = time.time()
    for number in range(300):
        bus.xadd(keys.alerts, {FIELD: b"old"}, id=f"{round((now - 8 * DAY_S) * 1000)}-{number + 1}")
    with bus.pipeline() as pipe:
        publisher.event(pipe, event(now))
        pipe.execute()
    assert 1 <= int(bus.xlen(keys.alerts)) < 200  # type: ignore[arg-type]  # whole nodes go, not single entries


def test_a_state_is_read_back_or_begun_anew() -> None:
    state = TrackState(camera="door", track="1-0", settled=((0, 4),))
    assert read_state(state.encode(), "door", "1-0") == state
    assert (
        read_state(None, "door", "1-0") == read_state(b"junk", "door", "1-0") == TrackState(camera="door", track="1-0")
    )


def test_watch_makes_exec_fail_when_another_writes(bus: redis.Redis) -> None:
    def write_meanwhile(pipe: Any) -> None:
        watch(pipe, "mine", "other")
        bus.set("other", 1)
        pipe.multi()
        pipe.set("mine", 1)
        pipe.execute()

    with bus.pipeline() as pipe, pytest.raises(redis.WatchError):
        write_meanwhile(pipe)
    assert bus.get("mine") is None
