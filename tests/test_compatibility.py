"""What docs/compatibility.md promises: today's build reads what earlier ones wrote, and serves clients of theirs.

Files in golden/ are what a release wrote or said; one is added when a format changes, and none is ever changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from wire import messages
from worker.checkpoint import FORMAT, KEY, load

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).with_name("golden")
WIRE = sorted((ROOT / "tests" / "wire" / "golden").glob("*.bin"))


def test_no_golden_file_was_changed_and_none_is_missing() -> None:
    """SHA256SUMS gains lines, by `sha256sum FILE`; one that changes or goes is a promise that is broken."""
    noted = dict(reversed(line.split("  ")) for line in (GOLDEN / "SHA256SUMS").read_text().splitlines())
    found = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (*WIRE, *GOLDEN.glob("*.json"))
    }
    assert found == noted


@pytest.mark.parametrize("path", WIRE, ids=lambda path: path.stem)
def test_every_message_ever_written_is_read(path: Path) -> None:
    kind: type[messages.Message] = getattr(messages, path.name.split(".")[0])
    message = kind.decode(path.read_bytes())
    assert message.v == 1
    assert kind.decode(message.encode()) == message


@pytest.mark.parametrize("version", range(1, FORMAT + 1))
def test_every_checkpoint_ever_written_is_read(version: int, tmp_path: Path) -> None:
    was = json.loads((GOLDEN / f"checkpoint.v{version}.json").read_text(encoding="utf-8"))
    tensors = {name: torch.zeros(shape, dtype=getattr(torch, kind)) for name, (shape, kind) in was["tensors"].items()}
    path = tmp_path / "old.safetensors"
    save_file(tensors, path, metadata={KEY: json.dumps(was["metadata"])})
    model, meta = load(path)
    assert meta.name == was["metadata"]["name"]
    assert meta.thresholds.fake.p == was["metadata"]["thresholds"]["fake"]["p"]
    assert {name for name, _ in model.named_parameters()} <= tensors.keys()


def missing(was: Any, now: Any, path: str = "") -> list[str]:
    """What stood in an API's description and stands there no more; texts may change."""
    if isinstance(was, dict) and isinstance(now, dict):
        gone = [f"{path}/{name}" for name in was.keys() - now.keys()]
        return gone + [
            one for name in was.keys() & now.keys() for one in missing(was[name], now[name], f"{path}/{name}")
        ]
    return [path] if path.endswith(("/type", "/$ref")) and was != now else []


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_an_api_keeps_every_path_message_and_field(name: str) -> None:
    now = json.loads((ROOT / "docs" / f"{name}.json").read_text(encoding="utf-8"))
    for path in sorted(GOLDEN.glob(f"{name}.*.json")):
        was = json.loads(path.read_text(encoding="utf-8"))
        assert was["info"]["version"] == now["info"]["version"]
        assert missing(was, now) == []


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_nothing_more_is_required_of_a_client(name: str) -> None:
    """A client of before does not send what was made required since."""
    now = json.loads((ROOT / "docs" / f"{name}.json").read_text(encoding="utf-8"))
    was = json.loads((GOLDEN / f"{name}.0.1.json").read_text(encoding="utf-8"))
    sent = {"Hello", "Subscribe", "Unsubscribe", "Ping"} | {
        content["schema"]["$ref"].rsplit("/", 1)[1]
        for verbs in was.get("paths", {}).values()
        for verb in verbs.values()
        for content in verb.get("requestBody", {}).get("content", {}).values()
        if "$ref" in content["schema"]
    }
    checked = sent & was["components"]["schemas"].keys()
    assert checked
    for one in checked:
        before, after = (spec["components"]["schemas"][one].get("required", []) for spec in (was, now))
        assert set(after) <= set(before), one


def test_a_loss_is_found() -> None:
    spec = json.loads((GOLDEN / "openapi.0.1.json").read_text(encoding="utf-8"))
    poorer = json.loads(json.dumps(spec))
    del poorer["components"]["schemas"]["Me"]["properties"]["role"]
    assert missing(spec, poorer) == ["/components/schemas/Me/properties/role"]
