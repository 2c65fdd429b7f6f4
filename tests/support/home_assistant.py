"""Home Assistant as a child process, by the Python it is installed in: its states and the automations that ran."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.support.servers import end, free_port

INSIDE = Path(__file__).with_name("in_home_assistant.py")


class HomeAssistant:
    """What it said last."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.ran: list[str] = []
        self.notes: list[str] = []

    def read(self, process: subprocess.Popen[str]) -> None:
        """Until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                vars(self).update(json.loads(line))


@contextmanager
def running(python: str, folder: Path, broker: str, automations: str) -> Iterator[HomeAssistant]:
    """One with MQTT at the url `broker` and these automations; what it lacks it installs itself."""
    folder.mkdir()
    (folder / "automations.yaml").write_text(automations)
    (folder / "configuration.yaml").write_text(
        f"http: {{server_host: 127.0.0.1, server_port: {free_port()}}}\nautomation: !include automations.yaml\n"
    )
    url = urlsplit(broker)
    data = {"broker": url.hostname, "port": url.port, "username": url.username, "password": unquote(url.password or "")}
    entry = {
        "entry_id": "1", "version": 1, "minor_version": 1, "domain": "mqtt", "title": "MQTT", "data": data,
        "options": {}, "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user",
        "unique_id": None, "disabled_by": None,
    }  # fmt: skip
    (folder / ".storage").mkdir()
    stored = {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}
    (folder / ".storage" / "core.config_entries").write_text(json.dumps(stored))
    one = HomeAssistant()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([python, str(INSIDE), str(folder)], stdout=subprocess.PIPE, stderr=log, text=True)
        reading = threading.Thread(target=one.read, args=(process,))
        reading.start()
        try:
            yield one
        finally:
            end(process, 20)
            reading.join()
            assert process.stdout is not None
            process.stdout.close()
