"""Every error Unmask raises on purpose. Each is one line that names the cause and the remedy.

UnmaskError                 exit 1
├── UsageError              exit 2   the command line or the configuration is wrong
│   ├── ConfigError                  a key, type or value in the YAML file or the environment
│   ├── ManifestError                a table of clips that can't be read
│   └── UnknownScheme                a source whose scheme no reader handles
│       └── NoAddress                its url has no host and port that can be read
├── RedisUnreachable        exit 1
│   └── RedisRefuses                 it answers, with an error
├── CheckpointError         exit 1   missing, corrupt, or not one of ours
├── SourceError             exit 1   a camera or file that can't be read; `kind` is what the camera's state shows
│   └── CertificateRefused           its certificate does not verify
├── ServiceError            exit 1   a service that could not start or died too often
└── DecodeError             exit 1   bytes that are no message of ours; the bytes are kept
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from wire.redact import redact

SourceErrorKind = Literal[
    "unauthorised", "certificate", "refused", "timeout", "no-video", "unsupported-codec", "not-found", "disconnected",
    "failed", "over-limit", "forbidden", "quarantined",
]  # fmt: skip


LONGEST = 300


def printable(text: str) -> str:
    """`text` without what a terminal would follow: cameras, servers and operators put words into it."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


class UnmaskError(Exception):
    """Base of all. `exit_code` is what a command ends with when this reaches the shell."""

    exit_code = 1

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        """The whole error in one line, without credentials."""
        return printable(redact(" ".join(f"{self.cause}: {self.remedy}".split())))


class UsageError(UnmaskError):
    """The command line or the configuration is wrong; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type, or out of range; `where` is its dotted path."""

    def __init__(self, source: str, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{source}: {where}: {problem}" if where else f"{source}: {problem}", remedy)
        self.source, self.where, self.problem = source, where, problem


class ManifestError(UsageError):
    """A table of clips that is missing, unreadable, or lacks what it must say."""

    def __init__(self, path: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"manifest {path}: {problem}", remedy)
        self.path, self.problem = str(path), problem


class UnknownScheme(UsageError):
    """No reader handles this source."""

    def __init__(self, source: str) -> None:
        super().__init__(
            f"unknown source {source!r}",
            "use rtsp(s)://, rtmp://, srt://, http(s)://, webcam:N, screen:, or the path of a video file",
        )


class NoAddress(UnknownScheme):
    """A url without a host and port that can be read: often a password holds a raw `/`, `?` or `#`."""

    def __init__(self, source: str) -> None:
        UsageError.__init__(
            self,
            f"address {source!r} has no host and port that can be read",
            "write / ? # : @ in a user or a password as %2F %3F %23 %3A %40, and the port as a number",
        )


class RedisUnreachable(UnmaskError):
    """Redis (or Valkey) does not answer; `url` carries no password."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"Redis at {url} can't be reached ({reason})",
            "start it, correct REDIS_URL or redis.url, or leave both unset to use the embedded server",
        )
        self.url, self.reason = url, reason


class RedisRefuses(RedisUnreachable):
    """It answers, with an error: another password is wanted, its disk is full, its user may not. Nothing to start."""

    def __init__(self, url: str, reason: str) -> None:
        words = reason.lower()
        if "password" in words or "authenticat" in words:
            remedy = "correct the user and the password in REDIS_URL or redis.url"
        elif "no space left" in words:
            remedy = "free space on the disk of its append-only file"
        else:
            remedy = "mend what it says, or correct REDIS_URL or redis.url"
        UnmaskError.__init__(self, f"Redis at {url} refuses ({reason})", remedy)
        self.url, self.reason = url, reason


class CheckpointError(UnmaskError):
    """A checkpoint that can't be served."""

    def __init__(self, path: str | Path, reason: str, remedy: str) -> None:
        super().__init__(f"checkpoint {path}: {reason}", remedy)
        self.path, self.reason = str(path), reason


_SOURCE_REMEDIES: dict[SourceErrorKind, str] = {
    "unauthorised": "check the user and password in the camera's url",
    "certificate": "give its authority or its own certificate as the camera's `ca`, or accept any with `verify: false`",
    "refused": "check the host and port, and that the camera's server is running",
    "timeout": "check that the camera is on and the network reaches it",
    "no-video": "choose a stream or file that carries a video track",
    "unsupported-codec": "set the camera to H.264 or H.265",
    "not-found": "check the path in the url, or the file's name",
    "disconnected": "nothing to do: the streamer reconnects by itself",
    "failed": "try it in a player such as VLC; what plays there should play here",
    "over-limit": "choose a smaller stream of the camera, or raise streamer.max_pixels or streamer.max_fps",
    "forbidden": "name the final address as the camera's url, or allow the host under the camera's 'hosts'",
    "quarantined": "nothing to do if it happened once; else update the camera's firmware and find out who controls it",
}


class SourceError(UnmaskError):
    """A camera or file can't be read. `kind` is the field's name for why; `source` carries no credentials.

    Of `reason`, into which a camera may have put words, what can be printed is kept, up to LONGEST of it.
    """

    def __init__(self, kind: SourceErrorKind, source: str, reason: str) -> None:
        shown = redact(reason[: 64 * LONGEST])  # before it is cut: half a secret would not be known as one
        reason = printable(shown[:LONGEST])
        super().__init__(f"{source}: {kind} ({reason})" if reason else f"{source}: {kind}", _SOURCE_REMEDIES[kind])
        self.kind: SourceErrorKind = kind
        self.source, self.reason = source, reason


class CertificateRefused(SourceError):
    """The camera's certificate does not verify: no credentials were sent."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__("certificate", source, reason)


class ServiceError(UnmaskError):
    """A service could not start, or died more often than its restart budget allows."""


class DecodeError(UnmaskError):
    """Bytes that are no message of ours. `data` is kept so that they can go to the `dead` stream."""

    def __init__(self, kind: str, data: bytes, reason: str) -> None:
        super().__init__(f"not a {kind} ({len(data)} bytes): {reason}", "look at the 'dead' stream")
        self.kind, self.data, self.reason = kind, data, reason
