"""That a cycle which has grown old is collected in a process of many imports, by Python itself."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

SCRIPT = """
import gc, json, sys, weakref
import dashboard.service
from wire import garbage

class Cycle:
    def __init__(self):
        self.me = self

gc.collect()  # as happens sooner or later
if sys.argv[1] == "apart":
    garbage.set_apart()
before = gc.get_stats()[2]["collections"]
cycle = Cycle()
old = weakref.ref(cycle)
gc.collect(1)  # from here on only a look at all objects finds it
del cycle
for _ in range(100_000):
    Cycle()
print(json.dumps([old() is None, gc.get_stats()[2]["collections"] - before, gc.get_freeze_count()]))
"""


@pytest.mark.parametrize(("how", "collected"), [("apart", True), ("as it is", False)])
def test_old_cycles(how: str, collected: bool) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    gone, looks, frozen = json.loads(done.stdout)
    assert gone is collected, f"{looks} looks at all"
    assert (frozen > 50_000) is collected
