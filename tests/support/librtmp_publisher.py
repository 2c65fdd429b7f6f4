#!/usr/bin/python3
"""Pushes a clip with sound by librtmp, of which OBS holds a copy: librtmp_publisher.py CLIP URL

Runs under the system's Python, where Debian puts GStreamer (scripts/install-system.sh test): nothing of ours is there.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

LINE = """
flvmux name=mux streamable=true ! rtmpsink name=out
filesrc name=clip ! qtdemux ! h264parse ! identity sync=true ! queue ! mux.video
audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=48000,channels=2 ! voaacenc ! aacparse ! queue ! mux.audio
"""


def main() -> None:
    """Until the clip ends, at its pace."""
    Gst.init(None)
    line = Gst.parse_launch(LINE)
    line.get_by_name("clip").set_property("location", sys.argv[1])
    line.get_by_name("out").set_property("location", f"{sys.argv[2]} live=1")
    line.set_state(Gst.State.PLAYING)
    found = line.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.ERROR | Gst.MessageType.EOS)
    if found.type == Gst.MessageType.ERROR:
        sys.exit(found.parse_error()[0].message)


if __name__ == "__main__":
    main()
