#!/usr/bin/python3
"""A real RTSP server for benchmarks and tests: loops the H.264 of an MP4 in real time on /cam0 .. /camN-1.

Runs under the system's Python, which is where Debian puts gst-rtsp-server (scripts/install-system.sh test), so it
imports nothing of ours:
    rtsp_server.py 8554 --file clip.mp4 --paths 4 --fps 25 --auth digest     (user alice, password s3cret)

/silent serves sound without a picture. A line "attempt N" goes to standard output for each new connection, so that a
test can count how often a client tries.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Mapping
from typing import Any

import gi

for _name in ("Gst", "GstRtspServer", "GstRtsp", "GstApp"):
    gi.require_version(_name, "1.0")
from gi.repository import Gio, GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

USER = "alice"
SILENT = "( audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=8000 ! mulawenc ! rtppcmupay name=pay0 pt=0 )"


def access_units(path: str) -> list[bytes]:
    """The clip's H.264 access units, in memory."""
    pipeline = Gst.parse_launch(
        f'filesrc location="{path}" ! qtdemux ! h264parse config-interval=-1 '
        "! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false max-buffers=0"
    )
    sink = pipeline.get_by_name("sink")
    pipeline.set_state(Gst.State.PLAYING)
    units = []
    while (sample := sink.emit("pull-sample")) is not None:
        buffer = sample.get_buffer()
        units.append(buffer.extract_dup(0, buffer.get_size()))
    pipeline.set_state(Gst.State.NULL)
    return units


class Looping(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """Pushes the units for ever. The timestamps are made here: multifilesrc would send none."""

    def __init__(self, units: list[bytes], fps: int) -> None:
        super().__init__()
        self.units, self.step = units, Gst.SECOND // fps
        self.set_shared(True)
        self.set_launch(
            "( appsrc name=src is-live=true format=time block=false "
            f"caps=video/x-h264,stream-format=byte-stream,alignment=au,framerate={fps}/1 "
            "! rtph264pay name=pay0 pt=96 config-interval=-1 )"
        )

    def do_configure(self, media: Any) -> None:
        """Feed one medium, from the first unit on."""
        count = 0

        def feed(source: Any, _length: int) -> None:
            nonlocal count
            buffer = Gst.Buffer.new_wrapped(self.units[count % len(self.units)])
            buffer.pts = buffer.dts = count * self.step
            buffer.duration = self.step
            count += 1
            source.emit("push-buffer", buffer)

        media.get_element().get_child_by_name("src").connect("need-data", feed)


def protect(
    server: Any, factories: Mapping[str, Any], method: str | None, password: str, files: tuple[str, str] | None
) -> None:
    """Let in only the one user, by basic or digest authentication, and speak TLS with a certificate and its key."""
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    if files:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*files))
    if method is None:
        auth.set_default_token(token)
    elif method == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(USER, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(USER, password, token)
    server.set_auth(auth)
    role = "user,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"
    for factory in factories.values():
        factory.add_role_from_structure(Gst.Structure.new_from_string(role))


def count_connections(server: Any) -> None:
    """Tell each new connection on standard output."""
    count = 0

    def connected(_server: Any, _client: Any) -> None:
        nonlocal count
        count += 1
        _say("attempt", count)

    server.connect("client-connected", connected)


def _say(what: str, number: int) -> None:
    sys.stdout.write(f"{what} {number}\n")
    sys.stdout.flush()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", help="0: any free one, which is printed")
    parser.add_argument("--file")
    parser.add_argument("--paths", type=int, default=1)
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--auth", choices=("basic", "digest"))
    parser.add_argument("--password", default="s3cret")
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    options = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    silent = GstRtspServer.RTSPMediaFactory()
    silent.set_shared(True)
    silent.set_launch(SILENT)
    factories: dict[str, Any] = {"/silent": silent}
    if options.file:
        units = access_units(options.file)
        factories |= {f"/cam{i}": Looping(units, options.fps) for i in range(options.paths)}
    if options.auth or options.tls:
        protect(server, factories, options.auth, options.password, tuple(options.tls) if options.tls else None)
    for path, factory in factories.items():
        server.get_mount_points().add_factory(path, factory)
    count_connections(server)
    if not server.attach(None):
        sys.exit(f"port {options.port} is taken")
    _say("ready", server.get_bound_port())
    loop = GLib.MainLoop()
    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGTERM, loop.quit)
    loop.run()


if __name__ == "__main__":
    main()
