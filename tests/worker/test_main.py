"""`python -m worker` that can't start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

READY_S = 60  # importing torch on a busy machine


@pytest.mark.parametrize(
    ("worker", "code", "said"),
    [({"checkpoint": "none.safetensors"}, 1, "file not found"), ({"chekpoint": "x"}, 2, "did you mean 'checkpoint'")],
)
def test_what_can_not_start_says_why_in_one_line(
    tmp_path: Path, redis_url: str, worker: dict[str, Any], code: int, said: str
) -> None:
    config = tmp_path / "unmask.yaml"
    config.write_text(json.dumps({"worker": worker}))
    command = [sys.executable, "-m", "worker", "--config", str(config)]
    env = {**os.environ, "REDIS_URL": redis_url}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=READY_S)
    assert done.returncode == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr
