"""What a camera's url means to FFmpeg, and what FFmpeg's errors mean to an operator. Pure.

Measured with FFmpeg 8.1 on a server stopped by SIGSTOP: an RTSP read fails after twice the option `timeout`, over TCP
and over UDP alike, since the first expiry only flushes the parser. So half of `read_timeout_s` would be right for
reading, but the same option bounds each reply of the handshake, where servers that start on demand need longer.
Unknown options are ignored silently; in FFmpeg's rtmp, `timeout` means "listen", so it gets `rw_timeout` only. What is
pushed to us is taken by `streamer.push`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import av.error
import certifi

from streamer.push import Place
from wire.errors import ConfigError, NoAddress, SourceError, SourceErrorKind, UnknownScheme
from wire.plugins import Plugin, find
from wire.redact import redact
from wire.settings import CameraSettings, SourceSettings, plain

NO_PLUGINS: Mapping[str, SourceSettings] = MappingProxyType({})
PROBE_US = 100_000  # FFmpeg's default of 5 s of probing makes each connect last 1.1 s and longer
# What a source may be made of; a server can't talk FFmpeg into anything else. No playlist that reads files, no protocol
# that reaches further, and only decoders that cameras need and that are much attacked by their makers' fuzzers.
_RTSP = {"protocol_whitelist": "rtsp,rtsps,tcp,tls,udp,rtp,srtp", "format_whitelist": "rtsp"}
_RTMP = {"protocol_whitelist": "rtmp,rtmps,tcp,tls", "format_whitelist": "flv,live_flv"}
_SRT = {"protocol_whitelist": "srt,udp", "format_whitelist": "mpegts,mpegtsraw"}
_HTTP = {
    "protocol_whitelist": "http,https",
    "format_whitelist": "hls,mpegts,mov,mp4,matroska,webm,flv,live_flv,mpjpeg,mjpeg,h264,hevc,avi,aac,mp3,webvtt",
    "http_persistent": "0",  # else FFmpeg takes streamer/web.py's files for connections of its own, and aborts
    "http_multiple": "0",
}
_FILE = {"protocol_whitelist": "file"}
_PUSHED = {"format_whitelist": "flv", "protocol_whitelist": "none"}  # it is read from memory
RTMP_PORT = 1935
KEY_LENGTH = 8  # of a stream key at least
VIDEO_CODECS = ("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "mjpeg", "mpeg4", "mpeg2video", "h263", "libvpx-vp9")
AUDIO_CODECS = (
    "aac", "aac_fixed", "aac_latm", "opus", "libopus", "mp2", "mp2float", "mp3", "mp3float", "ac3", "eac3", "vorbis",
    "flac", "pcm_alaw", "pcm_mulaw", "pcm_s16le", "pcm_s16be", "adpcm_g722", "adpcm_g726", "adpcm_g726le",
)  # fmt: skip
TLS_PORTS = {"rtsps": 322, "https": 443, "rtmps": 443}
PACED_SUFFIXES = (".m3u8",)  # arrives in bursts of whole segments
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_SCREEN = re.compile(r"(?:(\d{1,5})x(\d{1,5})(?:\+(\d{1,5})\+(\d{1,5}))?)?(?:@(.+?))?(?:\?window=(.+))?")
WINDOW_ID = re.compile(r"0x[0-9a-fA-F]{1,16}|[0-9]{4,20}")  # as xwininfo shows it; titles are no such number


@dataclass(frozen=True, slots=True)
class Foreign:
    """The plugin that opens a source, its options, and how a url that it returns is to be opened."""

    plugin: Plugin
    options: dict[str, Any] = field(repr=False)
    camera: CameraSettings


@dataclass(frozen=True, slots=True)
class Source:
    """What `av.open` gets, and how the reader is to treat it. `target` may hold credentials; `name` does not."""

    name: str
    target: str = field(repr=False)
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict, repr=False)
    live: bool = True  # the end of a live stream is a disconnect
    paced: bool = False  # read as fast as its own timestamps say, no faster
    loop: bool = False
    open_timeout_s: float = 5.0
    silence_s: float = 2.5
    hosts: tuple[str, ...] = ()  # that an http(s) source may name besides its own
    max_pixels: int | None = None  # of a frame
    max_fps: float | None = None
    crop: tuple[int, int, int, int] | None = None  # x, y, width, height, where the grabber itself can't
    foreign: Foreign | None = None  # opened by `streamer.foreign`
    window: str | None = field(default=None, repr=False)  # of the X display `target`: its id, or a part of its title
    listen: Place | None = None  # where its picture is pushed to

    @property
    def network(self) -> bool:
        """Whether it comes from a peer, which is not to be trusted."""
        return self.live and (self.format is None or self.listen is not None)

    @property
    def web(self) -> bool:
        """Whether it comes over http(s)."""
        return self.network and self.target.lower().startswith(("http://", "https://"))


def parse(
    camera: CameraSettings,
    connect_timeout_s: float = 5.0,
    read_timeout_s: float = 2.5,
    platform: str = sys.platform,
    plugins: Mapping[str, SourceSettings] = NO_PLUGINS,
) -> Source:
    """The source behind `camera.url`; `plugins`: the schemes that those open.

    Raises UnknownScheme, NoAddress, and ConfigError for a `ca` or a plugin that is missing.
    """
    url = camera.url.strip()
    if "\0" in url:
        raise UnknownScheme(redact(url))
    match = _SCHEME.match(url)
    scheme = match[1].lower() if match else ""
    if scheme in plugins:
        plugin = find("source", scheme, f"streamer.sources.{scheme}")
        foreign = Foreign(plugin, plain(plugins[scheme].options), camera)
        return Source(redact(url), url, open_timeout_s=connect_timeout_s, silence_s=read_timeout_s, foreign=foreign)
    read_us = str(round(read_timeout_s * 1e6))
    if scheme in {"rtsp", "rtsps"}:
        transport = camera.transport if scheme == "rtsp" else "tcp"  # else its media would go unencrypted
        options = {"rtsp_transport": transport, "timeout": read_us, **_RTSP}
        return _network(url, connect_timeout_s, options | _tls(scheme, camera))
    if camera.listen:
        return _listen(url, scheme, camera.listen == "network", 2 * read_timeout_s)
    if scheme in {"rtmp", "rtmps"}:
        return _network(url, connect_timeout_s, {"rw_timeout": read_us, **_RTMP} | _tls(scheme, camera))
    if scheme == "srt":
        options = {"timeout": read_us, "connect_timeout": str(round(connect_timeout_s * 1e3)), **_SRT}
        return _network(url, connect_timeout_s, options)
    if scheme in {"http", "https"}:
        paced = _path(url).lower().endswith(PACED_SUFFIXES)
        source = _network(url, connect_timeout_s, {"rw_timeout": read_us, **_HTTP} | _tls(scheme, camera), paced)
        return replace(source, hosts=camera.hosts, silence_s=read_timeout_s)
    if scheme == "webcam":
        return _webcam(url, url.partition(":")[2], platform)
    if scheme == "screen":
        return _screen(url, url.partition(":")[2], platform)
    if match and match[2] and scheme != "file":
        raise UnknownScheme(redact(url))
    return _file(url, camera.loop)


def _listen(url: str, scheme: str, network: bool, silence_s: float) -> Source:
    """The source that waits at `url` for a publisher. Raises ConfigError."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or RTMP_PORT
    except ValueError:
        raise UnknownScheme(redact(url)) from None
    app, _, key = parts.path.strip("/").rpartition("/")
    if scheme != "rtmp" or not app or len(key) < KEY_LENGTH or parts.query or parts.username is not None:
        problem = f"listen: the url is no rtmp://HOST:PORT/APP/KEY with a key of at least {KEY_LENGTH} characters"
        raise ConfigError("configuration", "cameras", problem, "give one, as rtmp://127.0.0.1:1935/live/${CALL_KEY}")
    if not network and not _loopback(host):
        problem = f"listen: {host} is not this machine's own loopback address"
        raise ConfigError("configuration", "cameras", problem, "use 127.0.0.1, or 'listen: network' and a firewall")
    name = f"rtmp://{parts.netloc}/{app}/***"
    options = {"analyzeduration": str(PROBE_US), "codec_whitelist": ",".join(VIDEO_CODECS), **_PUSHED}
    return Source(name, name, "flv", options, silence_s=silence_s, listen=Place(host, port, app, key))


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tls(scheme: str, camera: CameraSettings) -> dict[str, str]:
    """FFmpeg's options for what lies under `scheme`; it verifies nothing by itself. Raises ConfigError."""
    if scheme not in TLS_PORTS or not camera.verify:
        return {}
    ca = camera.ca.expanduser() if camera.ca else None
    if ca and not ca.is_file():
        raise ConfigError("configuration", "cameras", f"ca {ca}: no such file", "give a PEM file with certificates")
    options = {"tls_verify": "1", "ca_file": str(ca) if ca else authorities()}
    return options | ({"verifyhost": camera.certificate_name} if camera.certificate_name else {})


@cache
def authorities() -> str:
    """The file with the authorities that this machine trusts; FFmpeg's own idea of it is that of its build."""
    return ssl.get_default_verify_paths().cafile or certifi.where()


def _network(url: str, connect_timeout_s: float, options: dict[str, str], paced: bool = False) -> Source:
    """A source that is connected to. Raises NoAddress: FFmpeg would look for a host of the user's name."""
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise NoAddress(redact(url)) from None
    codecs = ",".join(VIDEO_CODECS + AUDIO_CODECS)
    options = {"analyzeduration": str(PROBE_US), "codec_whitelist": codecs, **options}
    return Source(redact(url), url, None, options, paced=paced, open_timeout_s=connect_timeout_s)


def _file(url: str, loop: bool) -> Source:
    path = Path(unquote(_path(url)) if url.lower().startswith("file://") else url.removeprefix("file:"))
    with suppress(RuntimeError):  # "~name" of no user is a file's name
        path = path.expanduser()
    # With "file:" in front, no path can be mistaken for a protocol of FFmpeg.
    return Source(redact(url), f"file:{path}", options=dict(_FILE), live=False, paced=True, loop=loop)


def _path(url: str) -> str:
    """The path of a url. Raises UnknownScheme for one whose host is none."""
    try:
        return urlsplit(url).path
    except ValueError:
        raise UnknownScheme(redact(url)) from None


def _webcam(url: str, device: str, platform: str) -> Source:
    device = device or "0"
    if platform == "darwin":
        return Source(redact(url), f"{device}:none", "avfoundation", {"framerate": "30"})
    if platform == "win32":
        return Source(redact(url), device if device.isdigit() else f"video={device}", "dshow")
    if not (device.isdigit() or device.startswith("/dev/")):
        raise UnknownScheme(redact(url))
    return Source(redact(url), f"/dev/video{device}" if device.isdigit() else device, "v4l2")


def _screen(url: str, region: str, platform: str) -> Source:
    match = _SCREEN.fullmatch(region)
    if not match:
        raise UnknownScheme(redact(url))
    width, height, x, y = (int(part) if part else 0 for part in match.groups()[:4])
    display, window = match[5], match[6]
    size = {"video_size": f"{width}x{height}"} if width else {}
    if platform == "darwin":
        if window:
            problem = "macOS gives the screen only, no window of it"
            raise ConfigError(
                "configuration", "cameras", problem, "give a region, or push the window from OBS (docs/calls.md)"
            )
        crop = (x, y, width, height) if width else None
        return Source(
            redact(url), f"Capture screen {display or 0}:none", "avfoundation", {"framerate": "15"}, crop=crop
        )
    if platform == "win32":
        offset = {"offset_x": str(x), "offset_y": str(y)} if width else {}
        title = window or display
        kind = "hwnd" if window and WINDOW_ID.fullmatch(window) else "title"
        target = f"{kind}={title}" if title else "desktop"
        return Source(redact(url), target, "gdigrab", {"framerate": "15", **offset, **size})
    display = display or os.environ.get("DISPLAY") or ":0.0"
    return Source(redact(url), f"{display}+{x},{y}", "x11grab", {"framerate": "15", **size}, window=window)


_KINDS: tuple[tuple[type[BaseException], SourceErrorKind], ...] = (
    (av.error.HTTPUnauthorizedError, "unauthorised"),
    (av.error.HTTPForbiddenError, "unauthorised"),
    (av.error.HTTPNotFoundError, "not-found"),
    (av.error.FileNotFoundError, "not-found"),
    (av.error.DecoderNotFoundError, "unsupported-codec"),
    (ConnectionRefusedError, "refused"),
    (TimeoutError, "timeout"),
    (MemoryError, "over-limit"),
    (av.error.ExitError, "timeout"),
    (ConnectionResetError, "disconnected"),
    (BrokenPipeError, "disconnected"),
    (EOFError, "disconnected"),
)


def classify(error: BaseException, source: Source, *, opened: bool, waited_s: float = 0.0) -> SourceError:
    """The typed error for what FFmpeg raised; its text is not passed on, since it quotes the url with the password.

    `opened`: it happened while reading. `waited_s`: how long the failing call took.
    """
    if isinstance(error, SourceError):
        return error
    if source.window is not None and isinstance(error, PermissionError):
        reason = "the window can't be read: is it minimised, or partly off the screen?"
        return SourceError("disconnected" if opened else "failed", source.name, reason)
    for type_, kind in _KINDS:
        if isinstance(error, type_):
            return SourceError(kind, source.name, _reason(error))
    if isinstance(error, av.error.ProtocolNotFoundError):
        scheme = source.target.partition(":")[0]
        reason = f"the installed PyAV was built without {scheme}: restream as RTSP or RTMP, or install one with it"
        return SourceError("failed", source.name, reason)
    if source.live and opened:
        return SourceError("disconnected", source.name, _reason(error))
    if source.network and isinstance(error, av.error.InvalidDataError | av.error.ArgumentError):
        # A peer that accepts and stays silent ends like this too, once the time-out has passed.
        if waited_s > 0.8 * float(source.options.get("timeout", 5e6)) / 1e6:
            return SourceError("timeout", source.name, "no answer")
        return SourceError("failed", source.name, "what answers there is no video server")
    if isinstance(error, av.error.InvalidDataError):
        return SourceError("failed", source.name, "not a video file" if not source.live else "no usable picture")
    if isinstance(error, av.error.OSError) and source.network:
        return SourceError("failed", source.name, "the host's name or network can't be found")
    return SourceError("failed", source.name, _reason(error))


def _reason(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    return redact(str(strerror)) if strerror else type(error).__name__
