"""The raw limit of a backend: what its forward pass does when it is given full batches and nothing else happens.

`python -m unmask.bench.limit --config FILE`: opens the backend as the worker does, says `ready` with its name, then
measures for as many seconds as each line on standard input says and answers with images a second.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

from wire import settings
from worker import checkpoint
from worker.backend import Backend, open_backend, warm_up


def measure(backend: Backend, size: int, seconds: float) -> float:
    """Images of side `size` a second, over all lanes, each busy until its last batch has ended."""
    images = np.random.default_rng(0).integers(0, 256, (backend.chunk, size, size, 3), np.uint8)
    rates: list[float] = []

    def lane() -> None:
        began, count = time.monotonic(), 0
        while (took := time.monotonic() - began) < seconds:
            backend.encode(images)
            count += len(images)
        rates.append(count / took)

    lanes = [threading.Thread(target=lane) for _ in range(backend.lanes)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()
    return sum(rates)


def main() -> None:
    """Until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True)
    loaded = settings.load(parser.parse_args().config)
    found = checkpoint.load(loaded.worker.checkpoint or checkpoint.DEFAULT)
    backend, config = open_backend(found.model, loaded.worker), found.meta.config
    warm_up(backend, config)
    about = {"name": backend.name, "chunk": backend.chunk, "lanes": backend.lanes, "frames": config.frames}
    _say(about)
    for line in sys.stdin:
        _say({"rate": measure(backend, config.input_size, float(line))})


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
