"""The description of /ws/v1: in step, valid, and true of what a real server says."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from websockets.sync.client import connect

from dashboard.asyncapi import CLOSE_CODES, asyncapi
from dashboard.protocol import VERSION
from tests.dashboard.feed import Feed
from tests.dashboard.pages import Start
from tests.dashboard.test_docs import EXAMPLES
from tests.support.npm import installed

ROOT = Path(__file__).parents[2]


def validator(tag: str) -> jsonschema.Draft7Validator:
    """Checks one kind of message, in the dialect AsyncAPI names."""
    document = asyncapi()
    schema = {**document["components"]["messages"][tag]["payload"], "components": document["components"]}
    return jsonschema.Draft7Validator(schema)


def test_it_is_asyncapi(request: pytest.FixtureRequest) -> None:
    assert request.config.cache
    kept = Path(request.config.cache.mkdir("npm-asyncapi"))
    folder = installed(kept, "@asyncapi/specs@6") / "node_modules" / "@asyncapi" / "specs" / "schemas"
    rules = jsonschema.Draft7Validator(json.loads((folder / "3.0.0.json").read_text(encoding="utf-8")))
    rules.validate(asyncapi())
    with pytest.raises(jsonschema.ValidationError):
        rules.validate({**asyncapi(), "channels": {"subscription": {"address": 7}}})


@pytest.mark.parametrize(("side", "text"), EXAMPLES)
def test_the_examples_of_the_page_are_as_described(side: str, text: str) -> None:
    message = json.loads(text)
    validator(message["type"]).validate(message)
    operation = asyncapi()["operations"]["send" if side == "client" else "receive"]
    assert message["type"] in [one["$ref"].rpartition("/")[2] for one in operation["messages"]]


def test_the_document_is_in_step() -> None:
    spec = importlib.util.spec_from_file_location("api_docs", ROOT / "scripts" / "api_docs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "asyncapi.json").read_text(encoding="utf-8") == module.subscription(), (
        "run: python scripts/api_docs.py"
    )


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    document = asyncapi()
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                found: Any = document
                for part in ref.removeprefix("#/").split("/"):
                    found = found[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    assert set(document["channels"]["subscription"]["x-close-codes"]) == {str(code) for code in CLOSE_CODES}


def test_what_a_real_server_says_is_as_described(dashboard: Start, feed: Feed) -> None:
    feed.camera("door")
    feed.alert("a1")
    one = dashboard(heartbeat_s=0.2).synced()
    assert httpx.get(f"{one.http}/api/v1/asyncapi.json").json() == json.loads(json.dumps(asyncapi()))
    wanted = {"welcome", "subscribed", "alert", "score", "camera", "heartbeat", "pong", "error", "unsubscribed"}
    said = [
        {"type": "hello", "version": VERSION},
        {"type": "subscribe", "id": "s", "topics": ["alerts", "scores", "cameras"], "since": "0"},
        {"type": "ping", "id": "7"},
        {"type": "nonsense"},
        {"type": "subscribe", "id": "t", "kinds": ["offline"], "events": ["review"]},
        {"type": "unsubscribe", "id": "t"},
    ]
    seen: set[str] = set()
    with connect(one.ws) as socket:
        for message in said:
            if message["type"] in asyncapi()["components"]["messages"]:
                validator(message["type"]).validate(message)  # type: ignore[arg-type]
            socket.send(json.dumps(message))
        feed.alert("c1", kind="offline", score=None, peak=None, mean=None, threshold=None)
        while not wanted <= seen:
            feed.score("door", 0.9)
            feed.camera("door")
            message = json.loads(socket.recv(timeout=10))
            validator(message["type"]).validate(message)
            seen.add(message["type"])


def test_what_is_wrong_is_not_as_described() -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator("subscribe").validate({"type": "subscribe", "id": "x", "topics": ["nothing"]})
    with pytest.raises(jsonschema.ValidationError):
        validator("hello").validate({"type": "hello"})
