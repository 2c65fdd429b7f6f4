"""Cameras that misbehave on purpose, behind `tests.support.web`: each a page that writes its own answer."""

from __future__ import annotations

import http.server
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import av
import cv2

from tests.support.clips import Picture

Page = Callable[[http.server.BaseHTTPRequestHandler], None]
HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
CHUNK = 7 * 188  # as MPEG-TS travels


def _until(due: float) -> None:
    threading.Event().wait(max(0.0, due - time.monotonic()))


def mjpeg(pictures: Sequence[bytes], fps: float) -> Page:
    """JPEGs, one after the other and again from the first, as a cheap camera sends them."""

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(HEAD + b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        began = time.monotonic()
        for index in range(1_000_000):
            jpeg = pictures[index % len(pictures)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            handler.wfile.write(head.encode() + jpeg + b"\r\n")
            _until(began + (index + 1) / fps)

    return page


def live(*parts: tuple[bytes, float]) -> Page:
    """Each part's bytes spread evenly over its seconds; then the connection ends."""

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(HEAD + b"\r\n")
        began = time.monotonic()
        for data, seconds in parts:
            for at in range(0, len(data), CHUNK):
                handler.wfile.write(data[at : at + CHUNK])
                _until(began + seconds * at / len(data))
            began += seconds

    return page


def trickling(every_s: float = 0.05) -> Page:
    """A byte at a time, for ever, none of which ever makes a picture."""

    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(HEAD + b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        while True:
            handler.wfile.write(b"-")
            handler.wfile.flush()
            threading.Event().wait(every_s)

    return page


def jpeg(picture: Picture) -> bytes:
    """A picture as a camera sends it."""
    return cv2.imencode(".jpg", picture)[1].tobytes()


def transport(
    path: Path, pictures: Iterable[Picture], fps: int = 10, codec: str = "libx264", start_s: float = 0.0
) -> bytes:
    """An MPEG transport stream of the pictures, whose timestamps begin at `start_s`."""
    with av.open(str(path), "w", format="mpegts") as sink:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = sink.add_stream(codec, rate=fps)
                stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
                stream.options = {"g": "10", "bf": "0"}
                if codec == "libx264":
                    stream.options |= {"preset": "ultrafast", "tune": "zerolatency"}
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = round(start_s * fps) + index
            sink.mux(stream.encode(frame))
        assert stream is not None
        sink.mux(stream.encode())
    return path.read_bytes()


def elementary(path: Path, pictures: Sequence[Picture], fps: int = 10) -> bytes:
    """Bare H.264 without any timestamps."""
    with av.open(str(path), "w", format="h264") as sink:
        stream = sink.add_stream("libx264", rate=fps, options={"g": "10", "bf": "0", "preset": "ultrafast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            sink.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        sink.mux(stream.encode())
    return path.read_bytes()


@contextmanager
def babbler() -> Iterator[int]:
    """A TCP server that answers whatever it is asked with noise; its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Noise) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Noise(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while self.request.recv(1000):
                for _ in range(20):
                    self.request.sendall(os.urandom(2000) + b"\r\n")
        except OSError:
            return
