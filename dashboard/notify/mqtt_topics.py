"""What an MQTT broker should hold: the retained topics of all cameras, and Home Assistant's discovery. Pure.

The field names are those of Home Assistant's MQTT integration ("MQTT discovery", "MQTT binary sensor", "MQTT sensor").
A camera that is stale or offline is `offline` in its availability topic: Home Assistant then shows its alert and its
score as unavailable, so what is old never reads as fine. Its verdict stays, and says which of the two it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from dashboard.protocol import CameraView
from wire.messages import FACES, Alert, CameraVerdict

Retained = dict[str, str]  # topic -> payload
ONLINE, OFFLINE = "online", "offline"
_SURE = ("clean", "suspect", "fake")
_VERDICTS: tuple[str, ...] = CameraVerdict.__args__  # type: ignore[attr-defined]


def status(topic: str) -> str:
    """The topic that says whether Unmask itself is there; the last will is its `offline`."""
    return f"{topic}/status"


def states(topic: str, views: Iterable[CameraView], alerts: Iterable[Alert]) -> Retained:
    """Each camera's availability, open face alert, score, verdict and attributes."""
    raised: dict[str, Alert] = {}
    for alert in alerts:  # the gravest first
        if alert.kind in FACES and (alert.camera not in raised or alert.severity == "critical"):
            raised[alert.camera] = alert
    made: Retained = {}
    for view in views:
        base, sure = f"{topic}/{view.name}", view.verdict in _SURE
        made[f"{base}/available"] = OFFLINE if view.verdict in ("stale", "offline") else ONLINE
        made[f"{base}/alert"] = "ON" if view.name in raised else "OFF"
        made[f"{base}/score"] = f"{view.p_fake:.3f}" if sure and view.p_fake is not None else "None"
        made[f"{base}/verdict"] = view.verdict
        made[f"{base}/attributes"] = _attributes(view, raised.get(view.name))
    return made


def discovery(prefix: str, topic: str, views: Iterable[CameraView], page: str | None) -> Retained:
    """A device for each camera: its alert as a binary sensor, its score and its verdict as sensors."""
    made: Retained = {}
    for view in views:
        base, node = f"{topic}/{view.name}", _identifier(f"{topic}_{view.name}")
        device: dict[str, Any] = {
            "identifiers": [node], "name": f"Unmask {view.name}", "manufacturer": "Unmask", "model": "Deepfake monitor",
        }  # fmt: skip
        if page:
            device["configuration_url"] = page
        common = {
            "availability_mode": "all", "device": device, "origin": {"name": "Unmask"},
            "json_attributes_topic": f"{base}/attributes",
        }  # fmt: skip
        entities: dict[str, dict[str, Any]] = {
            "binary_sensor/alert": {
                "name": "Deepfake alert", "state_topic": f"{base}/alert", "device_class": "problem",
                "payload_on": "ON", "payload_off": "OFF",
            },
            "sensor/score": {
                "name": "Deepfake score", "state_topic": f"{base}/score", "state_class": "measurement",
                "suggested_display_precision": 2, "icon": "mdi:face-recognition",
            },
            "sensor/verdict": {
                "name": "Verdict", "state_topic": f"{base}/verdict", "device_class": "enum", "options": _VERDICTS,
            },
        }  # fmt: skip
        for entity, fields in entities.items():
            component, _, what = entity.partition("/")
            needs = [status(topic)] if what == "verdict" else [status(topic), f"{base}/available"]
            config = {
                **fields, **common, "unique_id": f"{node}_{what}", "availability": [{"topic": need} for need in needs],
            }  # fmt: skip
            made[f"{prefix}/{component}/{node}/{what}/config"] = msgspec.json.encode(config).decode()
    return made


def _attributes(view: CameraView, alert: Alert | None) -> str:
    facts: dict[str, Any] = {
        "why": view.why, "state": view.state, "faces": view.faces, "model": view.model,
        "frame_size": view.frame_size, "snoozed_until": view.snoozed_until,
    }  # fmt: skip
    if alert:
        facts |= {"alert": alert.id, "severity": alert.severity, "kind": alert.kind, "since": alert.started}
    return msgspec.json.encode(facts).decode()


def _identifier(text: str) -> str:
    """`text` with what a discovery topic may not hold replaced, still telling names apart."""
    return re.sub(r"[^A-Za-z0-9-]", lambda found: f"_{ord(found[0]):x}_" if found[0] != "_" else "_", text)
