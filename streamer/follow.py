"""The cameras of a configuration file as it changes: what is wrong with it is said once, and nothing of it is taken."""

from __future__ import annotations

from pathlib import Path

from streamer.config import CameraConfig, camera
from wire.errors import UsageError
from wire.redact import redact
from wire.reload import Reload, differences
from wire.settings import Settings
from wire.telemetry import Log


class Follow:
    """Follows one file. `trouble`: why the file as it stands is refused, in one line without secrets."""

    def __init__(self, path: Path, settings: Settings, log: Log) -> None:
        self.trouble = ""
        self._reload, self._log = Reload(path), log
        self._started = self._known = settings  # with what this process runs, and what was read last

    def poll(self) -> tuple[CameraConfig, ...] | None:
        """The cameras where the file has changed and is valid. What else has changed needs a restart, and is named."""
        try:
            found = self._reload.poll()
            if found is None:
                return None
            # The cameras' time-outs are the streamer's, which go on as they are.
            cameras = tuple(camera(name, one, self._started.streamer) for name, one in found.cameras.items())
        except UsageError as error:
            self.trouble = redact(str(error))
            self._log.error("configuration refused, the one before goes on", why=self.trouble)
            return None
        self.trouble = ""
        self._tell(found)
        self._known = found
        return cameras

    def _tell(self, found: Settings) -> None:
        changed = differences(self._known, found)
        names = [name.removeprefix("cameras.") for name in changed if name.startswith("cameras.")]
        self._log.info("configuration read again", cameras=names)
        since = set(differences(self._started, found))
        if others := [name for name in changed if not name.startswith("cameras.") and name in since]:
            self._log.warning("settings that take effect after a restart only", settings=others)
