"""Runs the fuzz targets by mutation: python -m tests.fuzz.drive --inputs 1000000 --out fuzz.json."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from tests.fuzz.mutate import kept, mutated
from tests.fuzz.rest import Rest
from tests.fuzz.targets import TARGETS, seeds

SHARES = {
    "wire": 0.28, "subscriber": 0.19, "server": 0.05, "cursor": 0.15, "redact": 0.12, "configuration": 0.01,
    "source": 0.07, "evidence": 0.01, "checkpoint": 0.03, "publisher": 0.003, "probe": 0.02, "device": 0.001,
    "plugin": 0.02, "receiver": 0.034, "web": 0.002, "rest": 0.01,
}  # fmt: skip
HANG_S = 30  # one input that takes so long ends the run, with the stack


def drive(
    name: str, target: Callable[[bytes], None], pool: list[bytes], count: int, seed: int, limit_s: float
) -> dict[str, Any]:
    """Give `count` inputs to `target`, fewer where that takes longer than `limit_s`; what came of it."""
    source, process = random.Random(f"{seed} {name}"), psutil.Process()
    failures: dict[str, str] = {}
    slowest, warm, began, done = 0.0, 0.0, time.monotonic(), 0
    for number in range(count):
        if number % 100 == 0 and time.monotonic() - began > limit_s:
            break
        data = pool[number] if number < len(pool) else mutated(source, pool)
        if number % 1000 == 0:
            faulthandler.dump_traceback_later(HANG_S + 1000 * 0.1, exit=True)
        if not warm and (number >= count // 5 or time.monotonic() - began > limit_s / 5):
            gc.collect()  # all that is made once has been made
            warm = process.memory_info().rss
        start = time.perf_counter()
        try:
            target(data)
        except Exception as error:
            failures.setdefault(f"{type(error).__name__}: {error}"[:200], data[:2000].hex())
        slowest = max(slowest, time.perf_counter() - start)
        done = number + 1
    faulthandler.cancel_dump_traceback_later()
    gc.collect()
    taken = time.monotonic() - began
    return {
        "name": name, "inputs": done, "failures": len(failures), "slowest_ms": round(slowest * 1000, 1),
        "inputs_per_s": round(done / taken), "rss_growth_mb": round((process.memory_info().rss - warm) / 1e6, 2),
        "corpus": len(pool), "examples": failures,
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="all targets together")
    parser.add_argument("--seconds", type=float, default=1e9, help="of all together; fewer inputs then")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz.json"))
    parser.add_argument("--only", choices=sorted(SHARES))
    options = parser.parse_args()
    done: list[dict[str, Any]] = []
    with ExitStack() as stack:
        for name, share in SHARES.items():
            if options.only not in (None, name):
                continue
            if name == "rest":
                rest = stack.enter_context(Rest())
            target, first = (rest, rest.seeds()) if name == "rest" else (TARGETS[name], seeds(name))
            count, limit_s = round(options.inputs * share), options.seconds * share
            done.append(drive(name, target, first + kept(name), count, options.seed, limit_s))
            print({key: value for key, value in done[-1].items() if key != "examples"}, done[-1]["examples"] or "")
            sys.stdout.flush()
    total = sum(one["inputs"] for one in done)
    options.out.write_text(json.dumps({"inputs": total, "seed": options.seed, "harnesses": done}, indent=2) + "\n")
    failed = sum(one["failures"] for one in done)
    print(f"{total} inputs, {failed} kinds of failure: {options.out}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
