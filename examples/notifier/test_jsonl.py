from __future__ import annotations

import json
from pathlib import Path

import pytest
from unmask_example_jsonl import Notifier

from unmask.plugins import TryLater


def test_a_line_for_each_event(tmp_path: Path) -> None:
    notifier = Notifier(str(tmp_path / "events"))
    for number in range(2):
        notifier.notify({"type": "alert", "cursor": f"{number}-0"})
    lines = [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]
    assert [line["cursor"] for line in lines] == ["0-0", "1-0"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TryLater, match="can't be written"):
        Notifier(str(tmp_path)).notify({})
