"""A camera as it was found, and what of it goes into the configuration. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from unmask.discover.vetting import plain
from wire.redact import MASK, redact

LOGIN = "${CAMERA_USER}:${CAMERA_PASSWORD}@"
_CREDENTIALS = re.compile(r"(?<=://)[^/?#]*@")
_LONGEST_NAME = 48  # a camera's name in the configuration has 64 at most


@dataclass(frozen=True, slots=True)
class Stream:
    """One media profile. `url` carries no credentials; `source` tells the pictures of a recorder's cameras apart."""

    name: str
    source: str
    url: str
    codec: str = ""
    width: int | None = None
    height: int | None = None
    fps: int | None = None

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}" if self.width and self.height else ""
        return " ".join(filter(None, [self.codec, size, f"{self.fps} fps" if self.fps else ""])) or self.name


@dataclass(frozen=True, slots=True)
class Camera:
    """Who answered from `address`. `problem` says, in words, why its streams are not all known; else it is empty."""

    address: str
    name: str
    model: str = ""
    firmware: str = ""
    service: str = ""  # the url of its device service
    streams: tuple[Stream, ...] = ()
    problem: str = ""
    login: bool = False  # its streams were told to who logged in


def stream_url(url: str, address: str) -> str:
    """`url` as a camera at `address` may name it, without credentials; empty for one that is not taken.

    Nothing but RTSP: a camera must not make us read a file, a screen or another host.
    """
    url = _CREDENTIALS.sub("", plain(url, 512).replace(" ", "%20"))
    host = re.match(r"(?i)rtsps?://([^/:?#]+)(?::\d{1,5})?(?:[/?#]|$)", url)
    # ${NAME} would be taken from the environment when the configuration is read, and sent to the camera
    return url.replace("${", "%24{") if host and host[1] == address else ""


def as_object(cameras: Iterable[Camera]) -> dict[str, Any]:
    """What `--json` prints."""
    return {"cameras": [redacted(asdict(camera)) for camera in cameras]}


def redacted(value: Any) -> Any:
    """`value` with every text in it without credentials: some cameras put the password into the stream's path."""
    if isinstance(value, dict):
        return {key: redacted(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(one) for one in value]
    return redact(value) if isinstance(value, str) else value


def as_yaml(cameras: Iterable[Camera]) -> str:
    """What `--yaml` prints: an entry for each picture source, its first stream; the others beside as comments."""
    lines, taken = list[str](), set[str]()
    for camera in cameras:
        about = redact(f"{camera.address} {camera.model or camera.name}")
        if not camera.streams:
            lines.append(_comment(f"{about}: {redact(camera.problem)}"))
        for first, *others in _by_source(camera.streams):
            entry = yaml.safe_dump({_free(_slug(camera), taken): {"url": _entry(first, camera.login)}}, width=10_000)
            lines.append(_comment(f"{about}: {first}"))
            lines += ["  " + line for line in entry.splitlines()]
            lines += [_comment(f"  also {other}: {_entry(other, camera.login)}") for other in others]
            if MASK in entry:
                lines.append(_comment(f"  {MASK}: the camera puts a password there: complete it"))
    return "\n".join(["cameras:" if taken else "cameras: {}", *lines]) + "\n"


def _comment(text: str) -> str:
    return "  # " + "  " * text.startswith(" ") + plain(text, 700)


def _by_source(streams: Iterable[Stream]) -> Iterator[list[Stream]]:
    groups: dict[str, list[Stream]] = {}
    for stream in streams:
        groups.setdefault(stream.source, []).append(stream)
    yield from groups.values()


def _entry(stream: Stream, login: bool) -> str:
    url = redact(stream.url)
    return url.replace("://", f"://{LOGIN}", 1) if login else url


def _slug(camera: Camera) -> str:
    made = re.sub(r"[^a-z0-9]+", "-", (camera.name or camera.model).lower()).strip("-")[:_LONGEST_NAME].rstrip("-")
    return made or f"camera-{camera.address}"


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with the first number from 2 on that makes it new; remembers it."""
    number = 1
    found = name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    taken.add(found)
    return found
