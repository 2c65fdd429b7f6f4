import os
import subprocess
import sys

import pytest

from wire.errors import ConfigError
from wire.settings import Settings
from worker.config import Place


def test_the_place_is_named_by_slot_so_that_a_restart_finds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_SLOT", "3")
    place = Place.of(Settings(redis={"url": "redis://here", "prefix": "p:"}))
    assert place.name.endswith("-3")
    assert place.keys.windows == "p:windows"
    assert Place.of(Settings(redis={"url": "redis://here"}, worker={"name": "mine"})).name == "mine"


def test_no_redis_is_a_usage_error() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        Place.of(Settings())


def test_the_pure_modules_and_those_of_the_queue_do_without_torch() -> None:
    light = "alerts, seqs, verdict, batching, queue, publish, commit, expiry, features, intake, config, pulse"
    code = f"import sys; from worker import {light}; sys.exit(' '.join({{'torch', 'av'}} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_openmp_is_told_not_to_spin_before_torch_is_loaded() -> None:
    code = "import os, sys, worker; sys.exit('torch' in sys.modules or os.environ['OMP_WAIT_POLICY'] != 'PASSIVE')"
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
