"""A program of its own that pushes a clip by RTMP again and again, as OBS would.

python -m tests.support.publisher CLIP URL

PyAV keeps the interpreter's lock while it opens an output, so that this can't be a thread beside the listener.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import av

from unmask.bench.rtsp import SYSTEM_PYTHON

ROOT = Path(__file__).parents[2]


def push(clip: str, url: str) -> None:
    """Send the clip's own packets at the pace of their timestamps, and again from the first."""
    with av.open(url, "w", format="flv") as out, av.open(clip) as source:
        video = source.streams.video[0]
        stream = out.add_stream_from_template(video)
        began, base = time.monotonic(), 0
        while True:
            last = 0
            for packet in source.demux(video):
                if packet.pts is None or packet.dts is None or packet.time_base is None:
                    continue
                last = packet.dts + (packet.duration or 0)
                packet.pts, packet.dts, packet.stream = packet.pts + base, packet.dts + base, stream
                time.sleep(max(0.0, began + float(packet.dts * packet.time_base) - time.monotonic()))
                out.mux(packet)
            base += last
            source.seek(0)


def start(clip: Path, url: str, library: str = "ffmpeg") -> subprocess.Popen[str]:
    """The program; what it says of an end stands in its stderr. `library`: whose RTMP it speaks, or librtmp."""
    other = [SYSTEM_PYTHON, str(Path(__file__).with_name("librtmp_publisher.py"))]
    program = [sys.executable, "-m", "tests.support.publisher"] if library == "ffmpeg" else other
    command = [*program, str(clip), url]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    try:
        push(sys.argv[1], sys.argv[2])
    except OSError as error:  # FFmpeg's own
        sys.exit(f"{type(error).__name__}: {error.strerror}")
