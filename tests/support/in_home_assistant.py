"""Run by the Python that Home Assistant is installed in: starts it, and tells its states as lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys

from homeassistant import bootstrap, runner


async def main(folder: str) -> None:
    """With the configuration in `folder`; it installs what it lacks."""
    hass = await bootstrap.async_setup_hass(runner.RuntimeConfig(config_dir=folder, skip_pip=False))
    ran: list[str] = []
    notes: list[str] = []
    hass.bus.async_listen("automation_triggered", lambda event: ran.append(event.data["name"]))
    hass.bus.async_listen("call_service", lambda event: notes.append(str(event.data["service_data"].get("message"))))
    await hass.async_start()
    before = ""
    while True:
        states = {state.entity_id: state.state for state in hass.states.async_all()}
        line = json.dumps({"states": states, "ran": ran, "notes": notes})
        if line != before:
            print(line, flush=True)
        before = line
        await asyncio.sleep(0.2)


asyncio.run(main(sys.argv[1]))
