"""Writes docs/openapi.json from the types of dashboard/api; a test fails when it differs from them.

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

OPENAPI = ROOT / "docs" / "openapi.json"


def openapi() -> str:
    """The text of docs/openapi.json."""
    return json.dumps(document(OPERATIONS), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    OPENAPI.write_text(openapi(), encoding="utf-8")
