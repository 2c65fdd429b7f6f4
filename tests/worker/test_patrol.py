"""Camera alerts on a real server, several workers at once included."""

from __future__ import annotations

import time
from typing import Any

import pytest
import redis

from tests.support.servers import wait_until
from tests.worker.test_expiry import Clock
from wire.keys import ALL_CAMERAS, FIELD, Keys
from wire.messages import Alert, AlertEvent, CameraState, CameraStatus, Snooze
from wire.settings import Settings
from worker.patrol import Patrol


class Site:
    """Cameras on a real server, and one clock."""

    def __init__(self, bus: redis.Redis, keys: Keys) -> None:
        self.bus, self.keys, self.clock = bus, keys, Clock()

    def patrol(self, **alerts: Any) -> Patrol:
        return Patrol(self.bus, self.keys, Settings(alerts=alerts), self.clock)

    def report(self, name: str, state: CameraStatus = "live", error: str = "") -> None:
        told = CameraState(
            name=name, state=state, source="", error=error, since=0, updated=self.clock.now, faces=1, owner="s"
        )
        self.bus.sadd(self.keys.camera_names, name)
        self.bus.set(self.keys.camera(name), told.encode())

    def wait(self, seconds: float, *patrols: Patrol, **states: CameraStatus) -> None:
        """Seconds go by in which each camera reports its state and each worker ticks."""
        for _ in range(round(seconds)):
            self.clock.now += 1
            for name, state in states.items():
                self.report(name, state)
            for one in patrols:
                one.tick()

    @property
    def events(self) -> list[AlertEvent]:
        rows: Any = self.bus.xrange(self.keys.alerts)
        return [AlertEvent.decode(fields[FIELD]) for _, fields in rows]

    @property
    def troubled(self) -> set[bytes]:
        """Cameras of which something is remembered."""
        found: Any = self.bus.hkeys(self.keys.camera_troubles)
        return set(found)

    @property
    def told(self) -> list[str]:
        return [f"{event.event} {event.alert.camera} {event.alert.kind}" for event in self.events]


@pytest.fixture
def site(bus: redis.Redis, keys: Keys) -> Site:
    return Site(bus, keys)


def test_two_workers_tell_each_transition_once(site: Site) -> None:
    one, two = site.patrol(), site.patrol()
    site.wait(40, one, two, door="timeout", hall="live", yard="frozen")
    assert sorted(site.told) == ["new door offline", "new yard frozen"]
    stored: Any = site.bus.get(site.keys.alert(site.events[-1].alert.id))
    assert Alert.decode(stored) == site.events[-1].alert
    assert site.troubled == {b"door", b"yard"}
    site.wait(4, one, two, door="live", hall="live", yard="live")
    assert sorted(site.told[2:]) == ["end door offline", "end yard frozen"]
    assert site.bus.exists(site.keys.camera_troubles) == 0, "nothing is kept of cameras that are well"


def test_two_at_once_open_it_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """B's whole tick falls between A's reading and A's EXEC."""
    one, two = site.patrol(), site.patrol()
    site.wait(30, one, door="timeout")
    site.clock.now += 1
    site.report("door", "timeout")
    seen, entered = one._seen, list[list[AlertEvent]]()

    def meddle(*arguments: Any) -> Any:
        entered.append(two.tick())
        return seen(*arguments)

    monkeypatch.setattr(one, "_seen", meddle)
    assert one.tick() == []
    assert [len(events) for events in entered] == [1]
    assert site.told == ["new door offline"]


def test_a_worker_that_starts_anew_ends_what_another_opened(site: Site) -> None:
    site.wait(31, site.patrol(), door="timeout")
    late = site.patrol()
    site.wait(3, late, door="live")
    assert site.told == ["new door offline", "end door offline"]
    assert len({event.alert.id for event in site.events}) == 1


def test_a_camera_no_streamer_ever_reported_is_offline(site: Site) -> None:
    site.bus.sadd(site.keys.camera_names, "attic")
    site.wait(31, site.patrol())
    assert site.told == ["new attic offline"]
    assert "no streamer has reported this camera" in site.events[0].alert.detail


def test_a_camera_taken_out_of_the_configuration(site: Site) -> None:
    one = site.patrol()
    site.wait(31, one, door="timeout", hall="timeout")
    site.bus.srem(site.keys.camera_names, "door")
    site.bus.delete(site.keys.camera("door"))
    site.wait(1, one, hall="timeout")
    assert site.told == ["new door offline", "new hall offline", "end door offline"]
    assert site.events[-1].alert.end_reason == "camera-removed"
    site.wait(60, one, hall="timeout")
    assert len(site.told) == 3


def test_while_nobody_could_look_nothing_went_wrong(site: Site) -> None:
    """Redis and every service were away for ten minutes; the streamer comes back a little later than the worker."""
    one = site.patrol()
    site.wait(5, one, door="live")
    site.clock.now += 600
    one.restart()
    site.wait(20, one)
    site.wait(5, one, door="live")
    assert site.told == []
    assert site.bus.exists(site.keys.camera_troubles) == 0


@pytest.mark.parametrize("camera", ["door", ALL_CAMERAS])
def test_a_snooze_that_expires_lets_the_next_tick_open(site: Site, camera: str) -> None:
    snooze = Snooze(camera=camera, until=time.time() + 60, at=time.time())
    one = site.patrol()
    site.bus.set(site.keys.snooze(camera), snooze.encode(), px=60_000)
    site.wait(40, one, door="timeout")
    assert site.told == []
    site.bus.pexpire(site.keys.snooze(camera), 1)
    wait_until(lambda: not site.bus.exists(site.keys.snooze(camera)), 20, "it expires")
    site.wait(1, one, door="timeout")
    assert site.told == ["new door offline"]


def test_what_can_not_be_read_stops_nothing(site: Site) -> None:
    site.bus.hset(site.keys.camera_troubles, mapping={"door": b"junk", "gone": b"junk"})
    site.bus.sadd(site.keys.camera_names, "door", "hall")
    site.bus.set(site.keys.camera("hall"), b"junk")
    site.wait(40, site.patrol(), door="timeout")
    assert sorted(site.told) == ["new door offline", "new hall offline"]
    assert site.troubled == {b"door", b"hall"}


def test_without_cameras_there_is_nothing_to_do(site: Site) -> None:
    assert site.patrol().tick() == []
    assert site.bus.keys("*") == []
