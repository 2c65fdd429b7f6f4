"""Connections to Redis or Valkey. The streamer and the worker are synchronous, the dashboard is not.

All of TLS stands in the url (`rediss://HOST:PORT/0?ssl_ca_certs=FILE&ssl_certfile=FILE&ssl_keyfile=FILE`), where the
settings put it: a certificate that does not verify, or bears another name, is refused. So do Sentinels
(`wire.sentinels`) and a Cluster (`wire.slots`): for each new connection they are asked for the primary.
"""

from __future__ import annotations

import re
import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from wire import primary, sentinels, slots
from wire.errors import RedisRefuses, RedisUnreachable, UnmaskError
from wire.primary import AsyncFinder, Finder, Guide, Node
from wire.redact import redact

REACH_ERRORS = (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError)
CONNECT_TIMEOUT_S = 3.0
SOCKET_TIMEOUT_S = 10.0  # longer than any blocking read of ours
# The client begins the error with the command that caused it, up to the first bytes of a picture.
_OF_PIPELINE = re.compile(r"Command # \d+ \(.*?\) of pipeline caused error: ", re.DOTALL)
_OPTIONS: dict[str, Any] = {
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
    "socket_timeout": SOCKET_TIMEOUT_S,
    "health_check_interval": 15,
    # With RESP3 redis-py 8 takes what an idle connection has to read for news of maintenance, its end, too: after a
    # Redis that was away each one of the pool failed whoever asked next.
    "protocol": 2,
}


def connect(url: str) -> redis.Redis:
    """A client whose replies are bytes, after one PING. Raises RedisUnreachable."""
    try:
        client = open_client(url)
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise unreachable(url, error) from error
    return client


def unreachable(url: str, error: BaseException) -> RedisUnreachable:
    """What a failed PING means: nothing answers there, or what answers refuses."""
    refuses = isinstance(error, (redis.AuthenticationError, redis.ResponseError))
    kind = RedisRefuses if refuses else RedisUnreachable
    return kind(shown(url), reason(error) + _hint(url, error))


def _hint(url: str, error: BaseException) -> str:
    """TLS 1.3 tells a client without a certificate nothing: the server hangs up once the client believes it is in."""
    if not url.lower().startswith("rediss://") or "ssl_certfile" in url:
        return ""
    hung_up = any(word in str(error) for word in ("EOF occurred", "reset by peer", "Broken pipe", "closed by server"))
    alert = "CERTIFICATE_REQUIRED" in str(error)
    return "; it may want redis.certificate and redis.key" if hung_up or alert else ""


def open_client(url: str, **options: Any) -> redis.Redis:
    """A client whose replies are bytes; nothing is sent yet. Raises RedisUnreachable for what is no url."""
    try:
        _check_files(url)
        if guide := sentinels.split(url) or slots.split(url):
            return _follow(guide, {**_OPTIONS, **options})
        return redis.Redis.from_url(url, **{**_OPTIONS, **options})
    except (OSError, ValueError) as error:
        raise RedisUnreachable(shown(url), reason(error)) from error


def connect_async(url: str) -> redis.asyncio.Redis:
    """An asyncio client whose replies are bytes; nothing is sent yet. Raises RedisUnreachable for what is no url."""
    try:
        _check_files(url)
        if guide := sentinels.split(url) or slots.split(url):
            return _follow_async(guide)
        return redis.asyncio.Redis.from_url(url, **_OPTIONS)
    except (OSError, ValueError) as error:
        raise RedisUnreachable(shown(url), reason(error)) from error


def _follow(guide: Guide, options: dict[str, Any]) -> redis.Redis:
    def client(node: Node) -> redis.Redis:
        once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)  # the next one is asked instead
        return redis.Redis(host=node[0], port=node[1], retry=once, **guide.options)

    pool: Any = redis.sentinel.SentinelConnectionPool
    found = _of_primary(guide, primary.Connection, primary.SSLConnection)
    return redis.Redis.from_pool(pool("primary", Finder(guide, client), **{**found, **options}))


def _follow_async(guide: Guide) -> redis.asyncio.Redis:
    def client(node: Node) -> redis.asyncio.Redis:
        once = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
        return redis.asyncio.Redis(host=node[0], port=node[1], retry=once, **guide.options)

    pool: Any = redis.asyncio.sentinel.SentinelConnectionPool
    found = _of_primary(guide, primary.AsyncConnection, primary.AsyncSSLConnection)
    return redis.asyncio.Redis.from_pool(pool("primary", AsyncFinder(guide, client), **{**found, **_OPTIONS}))


def _of_primary(guide: Guide, plain: type, tls: type) -> dict[str, Any]:
    """What the url says of a connection to the primary, except where it is."""
    parse: Any = redis.connection.parse_url
    found: dict[str, Any] = parse(guide.url)
    kind = tls if "connection_class" in found else plain
    return {name: value for name, value in found.items() if name not in ("host", "port")} | {"connection_class": kind}


def failed(url: str, error: BaseException) -> UnmaskError:
    """What a command ends with where Redis failed it in the middle: it is away, or it refuses."""
    if isinstance(error, (*REACH_ERRORS, OSError)):
        return unreachable(url, error)
    return UnmaskError(
        f"Redis at {shown(url)} refuses ({reason(error)})", "run 'unmask doctor', and look at what its user may do"
    )


def shown(url: str) -> str:
    """The url for people: without credentials, and without the files of its query."""
    return redact(url).partition("?")[0]


def _check_files(url: str) -> None:
    """Read the certificates of a rediss:// url once: a missing file would look like a server that is away."""
    if not url.lower().startswith("rediss://"):
        return
    named = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, what in (("ssl_ca_certs", "redis.ca"), ("ssl_certfile", "redis.certificate")):
        if (file := named.get(name)) is None:
            continue
        try:
            if name == "ssl_ca_certs":
                context.load_verify_locations(file)
            else:  # no password: it would be asked for on the terminal
                context.load_cert_chain(file, named.get("ssl_keyfile"), password=b"")
        except OSError as error:  # ssl.SSLError is one
            told = error.reason if isinstance(error, ssl.SSLError) and error.reason else error.strerror
            raise ValueError(f"{what} {file}: {told or 'not PEM, or the key is encrypted'}") from None


def reason(error: BaseException, limit: int = 160) -> str:
    """Why Redis failed, in one short line without credentials: a server's own explanation may be a page long."""
    told = _OF_PIPELINE.sub("", str(error))
    words = redact(" ".join(told.split())) or type(error).__name__
    return words.rstrip(".") if len(words) <= limit else words[: limit - 1] + "…"
