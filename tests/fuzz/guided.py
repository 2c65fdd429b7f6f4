"""Coverage-guided fuzzing of one target: python -m tests.fuzz.guided NAME --runs 20000 [--keep].

`pip install atheris` first; it comes for Linux, and not for every Python. With --keep, what reached new code
is added to the corpus: the shortest of it, up to LIMIT bytes a target.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.mutate import keep, kept

READ = [
    "wire", "dashboard", "streamer.sources", "streamer.rtmp", "streamer.push", "streamer.web", "worker.checkpoint",
    "worker.guest", "unmask.discover", "onveef", "http", "urllib", "yaml",
]  # fmt: skip
LIMIT = 16_000
LONGEST = 4096


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fuzz.guided", options.name, "--runs", str(options.runs)]
        ended = subprocess.run(command, env={**os.environ, "UNMASK_FUZZ_FOLDER": folder}, check=False).returncode
        if options.keep and ended == 0:
            keep(options.name, _shortest(kept(options.name), [path.read_bytes() for path in Path(folder).iterdir()]))
    return ended


def _shortest(old: list[bytes], new: list[bytes]) -> list[bytes]:
    chosen, size = list(old), sum(map(len, old))
    for data in sorted(set(new) - set(old), key=len):
        if (size := size + len(data)) > LIMIT:
            break
        chosen.append(data)
    return chosen


def fuzz(folder: Path) -> None:
    """In a process of its own: libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=READ):
        from tests.fuzz.targets import TARGETS, seeds
    name = sys.argv[1]
    for number, data in enumerate([*seeds(name), *kept(name)]):
        (folder / f"seed{number}").write_bytes(data)
    flags = [f"-runs={sys.argv[3]}", f"-max_len={LONGEST}", "-timeout=20", "-rss_limit_mb=4096", "-verbosity=0"]
    flags.append("-print_final_stats=1")
    atheris.Setup([sys.argv[0], *flags, str(folder)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    if place := os.environ.get("UNMASK_FUZZ_FOLDER"):
        fuzz(Path(place))
    else:
        sys.exit(main())
