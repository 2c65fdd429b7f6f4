"""Alerts written while everything in between breaks: each event arrives exactly once, in order, counted by id."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, aclosing
from pathlib import Path

import pytest
import redis

from dashboard.client import Client
from dashboard.protocol import AlertMessage
from tests.dashboard.conftest import Running
from tests.dashboard.feed import alert_event
from tests.support.proxy import Proxy, proxied
from tests.support.servers import end, free_port, valkey
from wire.keys import FIELD, Keys

ALERTS = 200
LIFE = ("new", "update", "update", "end")
FAULTS = ("dashboard", "redis", "network")
TIMEOUT_S = 60


class Bench:
    """Valkey with its append-only file, a dashboard on it, and a network that can be cut."""

    def __init__(self, stack: ExitStack, folder: Path, start: Callable[..., Running]) -> None:
        self._stack, self._folder, self._port = stack, folder, free_port()
        self.url = self._serve()
        self.dashboard = start(redis_url=self.url).synced()
        self.proxy: Proxy = stack.enter_context(proxied(self.dashboard.port))
        self.happened: list[str] = []

    def _serve(self) -> str:
        url, self._valkey = self._stack.enter_context(valkey(self._folder, port=self._port, aof=True))
        return url

    def suffer(self, fault: str) -> None:
        """Break one thing, and mend it."""
        if fault == "dashboard":
            self.dashboard.stop()
            self.dashboard.start()
        elif fault == "redis":
            end(self._valkey)
            self._serve()
        else:
            self.proxy.cut()
        self.happened.append(fault)


def write(url: str, number: int, event: str, cursor: int) -> None:
    """One event under an id of our own: tried again until it is there, and never there twice."""
    message = alert_event(f"a{number}", event, camera=f"cam{number % 7}").encode()
    while True:
        try:
            with redis.Redis.from_url(url) as bus:
                bus.xadd(Keys().alerts, {FIELD: message}, id=f"{cursor}-0")
            return
        except redis.ResponseError as error:
            if "equal or smaller" in str(error):
                return  # the try before was answered by silence, and yet done
            raise
        except redis.RedisError:
            time.sleep(0.02)


def write_all(bench: Bench, dice: random.Random) -> None:
    """Events of overlapping alerts, as fast as they are taken; in between, faults that are not waited for."""
    lives = [(number, event) for number in range(ALERTS) for event in LIFE]
    lives.sort(key=lambda life: life[0] + 3 * LIFE.index(life[1]))  # stable: each alert keeps its own order
    faults = dice.sample(FAULTS * 3, 9)
    at = dict(zip(sorted(dice.sample(range(20, len(lives)), len(faults))), faults, strict=True))
    trouble: threading.Thread | None = None
    for place, (number, event) in enumerate(lives):
        if fault := at.get(place):
            if trouble:
                trouble.join()
            trouble = threading.Thread(target=bench.suffer, args=(fault,))
            trouble.start()
        write(bench.url, number, event, place + 1)
        time.sleep(dice.random() * 0.004)
    if trouble:
        trouble.join()
    write(bench.url, ALERTS, "new", len(lives) + 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_200_alerts_through_restarts_and_cuts(dashboard: Callable[..., Running], tmp_path: Path, seed: int) -> None:
    with ExitStack() as stack:
        bench = Bench(stack, tmp_path, dashboard)
        writer = threading.Thread(target=write_all, args=(bench, random.Random(seed)))
        said: list[str] = []

        async def read() -> list[AlertMessage]:
            got: list[AlertMessage] = []
            address = f"ws://127.0.0.1:{bench.proxy.port}/ws/v1"
            client = Client(address, since="0", on_status=said.append, backoff_s=(0.02, 0.1))
            async with asyncio.timeout(TIMEOUT_S), aclosing(aiter(client)) as events:
                async for event in events:
                    assert isinstance(event, AlertMessage), event  # no gap either
                    got.append(event)
                    if event.alert.id == f"a{ALERTS}":
                        break
            return got

        writer.start()
        got = asyncio.run(read())
        writer.join()
    by_id: dict[str, list[str]] = defaultdict(list)
    for message in got[:-1]:
        by_id[message.alert.id].append(message.event)
    assert dict(by_id) == {f"a{number}": list(LIFE) for number in range(ALERTS)}
    assert [message.cursor for message in got] == [f"{place + 1}-0" for place in range(len(got))]
    assert sorted(bench.happened) == sorted(FAULTS * 3)
    assert sum("trying again" in line for line in said) >= 3  # it was cut off indeed
