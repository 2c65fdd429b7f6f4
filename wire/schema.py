"""The JSON Schema of unmask.yaml: what an editor needs to complete and check it."""

from __future__ import annotations

import json

from wire.settings import Settings


def schema() -> str:
    """The schema as text. A setting that is a secret or a path is a string there, as it is in the file."""
    made = Settings.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return json.dumps(head | made | {"title": "unmask.yaml"}, indent=2)
