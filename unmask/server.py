"""The Redis that a command works on: the configured one, a running `unmask run`'s, or its files while none runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import redis

from unmask.embedded import EmbeddedServer, address
from wire import bus
from wire.errors import RedisRefuses, RedisUnreachable, ServiceError
from wire.keys import Keys
from wire.settings import Settings
from wire.shards import Space, Spaces, same

START_S = 60.0  # until the embedded server has read its files


@contextmanager
def opened(settings: Settings) -> Iterator[redis.Redis]:
    """A client. Raises RedisUnreachable, UnmaskError where Redis refuses what is asked of it while this lasts, and
    ServiceError where the embedded server can't be started."""
    with _connected(settings) as (client, url):
        try:
            yield client
        except redis.RedisError as error:
            raise bus.failed(url, error) from error


@contextmanager
def _connected(settings: Settings) -> Iterator[tuple[redis.Redis, str]]:
    url = settings.redis.url or address(settings.state)
    if url is not None:
        try:
            client = bus.connect(url)
        except RedisUnreachable as error:
            if settings.redis.url or isinstance(error, RedisRefuses):
                raise  # else it is the address of one that was killed
        else:
            with client:
                yield client, url
            return
    with EmbeddedServer(settings.state) as server:
        process = subprocess.Popen(server.command(), stdin=subprocess.DEVNULL)
        try:
            with _answering(server, process) as client:
                yield client, server.url
        finally:
            process.terminate()  # it writes its append-only file out
            process.wait(START_S)


@contextmanager
def spaces(settings: Settings, client: redis.Redis) -> Iterator[Spaces[redis.Redis]]:
    """The home, whose `client` this is, and the shards. Raises RedisUnreachable, and ServiceError where this Redis has
    another number of shards."""
    home, section = Space(client, Keys(settings.redis.prefix)), settings.redis
    same(client.get(home.keys.shards), section.shards)
    with ExitStack() as stack:

        def connect(url: str) -> redis.Redis:
            return stack.enter_context(bus.connect(url)) if section.cluster else client

        yield Spaces.of(home, section.spaces(section.url or ""), connect)


def _answering(server: EmbeddedServer, process: subprocess.Popen[bytes]) -> redis.Redis:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            return bus.connect(server.url)
        except RedisUnreachable:
            time.sleep(0.05)
    raise ServiceError("the embedded server does not start", f"see {server.folder}/valkey.log")
