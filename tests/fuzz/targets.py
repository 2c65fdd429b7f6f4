"""What is fuzzed: each target takes bytes and raises only where the product is wrong."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dashboard import archive, cursors, protocol
from dashboard.access.principal import Principal
from dashboard.api import evidence
from dashboard.protocol import BadMessage, Subscribe
from dashboard.subscription import Subscription
from streamer import sources
from tests.fuzz import peers
from tests.support.messages import ALERT, EXAMPLES
from wire import settings
from wire.errors import CheckpointError, ConfigError, DecodeError, UnknownScheme
from wire.evidence import PARTS, read
from wire.messages import Message
from wire.redact import redact
from wire.settings import CameraSettings
from worker import checkpoint

Target = Callable[[bytes], None]
GOLDEN = Path(__file__).parents[1] / "wire" / "golden"
KINDS: list[type[Message]] = sorted({type(message) for message in EXAMPLES}, key=lambda kind: kind.__name__)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def wire(data: bytes) -> None:
    """Every message type reads the bytes, or says what is wrong; what is read is written the same again."""
    for kind in KINDS:
        try:
            message = kind.decode(data)
        except DecodeError as error:
            _keeps(error, data)
            continue
        assert kind.decode(message.encode()).encode() == message.encode()
        msgspec.to_builtins(message)


def subscriber(data: bytes) -> None:
    """A WebSocket message; a subscription is asked what it wants."""
    for form in (data, text_of(data)):
        try:
            message = protocol.decode_client(form)
        except BadMessage as error:
            protocol.encode(protocol.Error(code=error.code, message=error.message))
            continue
        protocol.encode(message)
        if isinstance(message, Subscribe):
            protocol.for_subscription('{"sub":""}', message.id)
            asked = Subscription(message, cursors.START, Principal("viewer", "viewer", ("door", "l*")))
            for name in ("door", "a" * 200, "\u202e[!]", ALERT.camera):
                asked.takes("alerts", name)


def server(data: bytes) -> None:
    """What the client program reads from a server."""
    import msgspec

    try:
        protocol.decode_server(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return


def cursor(data: bytes) -> None:
    for form in (data, text_of(data)):
        try:
            found = cursors.parse(form)
        except ValueError:
            continue
        assert cursors.parse(cursors.show(found)) == found


def redaction(data: bytes) -> None:
    text = text_of(data)
    once = redact(text)
    assert redact(once) == once
    password = re.sub(r"[\s'\"]", "", text)
    assert "c4nary" not in redact(f"can't open 'rtsp://user:c4nary{password}@host/x': {text}")


def _keeps(error: DecodeError, data: bytes) -> None:
    assert error.data is data


def _one_line(error: Exception) -> None:
    assert "\n" not in str(error)


_FILE = Path(tempfile.gettempdir()) / f"unmask-fuzz-{os.getpid()}.yaml"


def configuration(data: bytes) -> None:
    """The file of settings: read whole, or refused in one line."""
    _FILE.write_bytes(data)
    try:
        settings.load(_FILE)
    except ConfigError as error:
        _one_line(error)
    finally:
        _FILE.unlink()


def source(data: bytes) -> None:
    """A camera's url on each platform; no name of a source shows what may be a password."""
    url = text_of(data)
    if not url:
        return
    for platform in ("linux", "darwin", "win32"):
        try:
            found = sources.parse(CameraSettings.model_construct(url=url), platform=platform)
        except UnknownScheme:
            continue
        assert found.name == redact(found.name)


def evidence_parts(data: bytes) -> None:
    """An alert's evidence hash with such parts, as facts and as an archive; and such an id as a file's name."""
    name = archive.safe_name(text_of(data))
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert len(name) <= 128
    parts = {part.encode(): data for part in PARTS}
    whole = {
        part.encode(): example.encode() for part, kind in PARTS.items() for example in EXAMPLES if type(example) is kind
    }
    for held in (parts, {**whole, b"trace": data}, {**whole, b"explanation": data}, {**whole, b"picture": data}):
        for kind in PARTS.values():
            read(held, kind)
        archive.build(ALERT, evidence.facts(held), held)


def metadata(data: bytes) -> None:
    """A checkpoint's description of itself."""
    try:
        found = checkpoint._meta(Path("x"), data.decode("utf-8", "replace"))
    except CheckpointError as error:
        _one_line(error)
        return
    assert found.model_id


TARGETS: dict[str, Target] = {
    "wire": wire, "subscriber": subscriber, "server": server, "cursor": cursor, "redact": redaction,
    "configuration": configuration, "source": source, "evidence": evidence_parts, "checkpoint": metadata,
    **peers.PEERS,
}  # fmt: skip

_CAMERAS = [
    "rtsp://user:p@ss@10.0.0.1:554/a?b#c", "webcam:0", "webcam:/dev/video0", "screen:", "screen:1280x720+1+2@:0.0",
    "file:///a%20b.mp4", "~/a.mp4", "srt://h:1?passphrase=x", "http://h/a.m3u8", "C:\\a.mp4", "rtmp://[::1]/x",
]  # fmt: skip
_SAID: list[dict[str, Any]] = [
    {"type": "hello", "version": 1, "token": "x"}, {"type": "ping", "id": "a"}, {"type": "unsubscribe", "id": "a"},
    {"type": "subscribe", "id": "a", "topics": ["alerts", "scores", "cameras"], "cameras": ["*a*[!b-c]?"],
     "since": "1-0", "kinds": ["spike"], "severities": ["critical"], "events": ["new"]},
]  # fmt: skip


def seeds(name: str) -> list[bytes]:
    """What mutation begins with."""
    return list(dict.fromkeys(_seeds(name)))


def _seeds(name: str) -> Iterator[bytes]:
    root = Path(__file__).parents[2]
    if name in ("wire", "evidence"):
        yield from (path.read_bytes() for path in sorted(GOLDEN.glob("*.bin")))
    elif name == "subscriber":
        yield from (json.dumps(message).encode() for message in _SAID)
    elif name == "server":
        for message in (
            protocol.AlertMessage(event="new", cursor="1-0", at=1.0, alert=ALERT),
            protocol.Pong(id="a", at=1.0), protocol.Gap(sub="a", since="1-0", reason="reset"),
        ):  # fmt: skip
            yield protocol.encode(message).encode()
    elif name == "cursor":
        yield from (b"0", b"1-0", b"18446744073709551615-18446744073709551615", b"-", "١-٠".encode())
    elif name in ("redact", "source"):
        yield from (url.encode() for url in _CAMERAS)
        yield b"can't open 'rtsps://a:b@h/': x://a'b:c@d?key=1&token=2#3"
    elif name == "configuration":
        whole = (root / "unmask.example.yaml").read_text(encoding="utf-8")
        yield whole.encode()
        yield from (part.encode() for part in whole.split("\n\n"))
        yield b"cameras: {door: {url: 'webcam:0'}}\nnotify: {webhooks: [{url: 'http://h', events: [new]}]}\n"
        yield b"a: &a [1, 2001-01-01, 0x1, 1_0, .inf, ~]\nb: *a\n? c\n: !!set {d}\n"
    elif name in peers.PEERS:
        yield from peers.seeds(name)
    elif name == "checkpoint":
        yield json.dumps(_described()).encode()
    yield b""


def _described() -> dict[str, Any]:
    import msgspec

    meta = checkpoint.describe()
    built: dict[str, Any] = msgspec.to_builtins(meta)
    return built
