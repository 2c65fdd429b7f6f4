"""Writes docs/openapi.json and docs/asyncapi.json from the types; tests fail when they differ from them.

python scripts/api_docs.py
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from dashboard.api.openapi import document  # noqa: E402
from dashboard.api.routes import OPERATIONS  # noqa: E402
from dashboard.asyncapi import asyncapi  # noqa: E402

OPENAPI, ASYNCAPI = ROOT / "docs" / "openapi.json", ROOT / "docs" / "asyncapi.json"


def openapi() -> str:
    """The text of docs/openapi.json."""
    return json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False) + "\n"


def subscription() -> str:
    """The text of docs/asyncapi.json."""
    return json.dumps(asyncapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OPENAPI.write_text(openapi(), encoding="utf-8")
    ASYNCAPI.write_text(subscription(), encoding="utf-8")
