"""Hostile and honest http(s) sources, from a real server."""

from __future__ import annotations

import http.server
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from streamer import config, sources
from streamer.reader import Reader
from streamer.web import Web
from tests.support import web
from wire.errors import SourceError
from wire.settings import CameraSettings, StreamerSettings

SECRET = "root:x:0:0"


@pytest.fixture
def site() -> Iterator[web.Site]:
    with web.serving() as one:
        yield one


@pytest.fixture
def inside() -> Iterator[web.Site]:
    """A service of the network that the streamer stands in."""
    with web.serving() as one:
        one.pages["/admin.ts"] = one.pages["/"] = b"it has been reached"
        yield one


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Two seconds of H.264 in MPEG-TS."""
    path = tmp_path_factory.mktemp("segment") / "one.ts"
    with av.open(str(path), "w", format="mpegts") as sink:
        stream = sink.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(50):
            sink.mux(stream.encode(av.VideoFrame(320, 240, "yuv420p")))
        sink.mux(stream.encode())
    return path.read_bytes()


def playlist(*names: str, extra: str = "", end: bool = True) -> bytes:
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0", extra]
    for name in names:
        lines += ["#EXTINF:2.0,", name]
    return "\n".join(line for line in [*lines, "#EXT-X-ENDLIST" if end else ""] if line).encode() + b"\n"


def reader(url: str, patience_s: float = 10.0, **camera: object) -> Reader:
    settings = StreamerSettings(connect_timeout_s=2 * patience_s, read_timeout_s=patience_s)
    source = config.camera("cam", CameraSettings(url=url, **camera), settings).source  # type: ignore[arg-type]
    return Reader(source)


def fails(url: str, patience_s: float = 10.0, **camera: object) -> SourceError:
    with pytest.raises(SourceError) as caught, reader(url, patience_s, **camera) as one:
        list(itertools.islice(one.frames(), 500))
    assert "\n" not in str(caught.value)
    return caught.value


def frames(url: str, most: int = 40, **camera: object) -> int:
    with reader(url, **camera) as one:  # type: ignore[arg-type]
        return len(list(itertools.islice(one.frames(), most)))


def test_an_honest_playlist_plays(site: web.Site, segment: bytes) -> None:
    site.pages |= {"/live.m3u8": playlist("a.ts", "/sub/b.ts"), "/a.ts": segment, "/sub/b.ts": segment}
    assert frames(site.url("/live.m3u8"), 60) == 60
    assert site.asked[:2] == ["/live.m3u8", "/a.ts"]


@pytest.mark.parametrize("kind", ["segment", "variant", "key", "map"])
@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "/etc/passwd-by-file", "other", "data:,x", "ftp://127.0.0.1/x"]
)
def test_a_playlist_that_points_elsewhere(
    site: web.Site, inside: web.Site, segment: bytes, kind: str, place: str
) -> None:
    target = {"other": inside.url("/admin.ts"), "/etc/passwd-by-file": "file:/etc/passwd#.ts"}.get(place, place)
    lists = {
        "segment": playlist(target),
        "variant": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n".encode(),
        "key": playlist("a.ts", extra=f'#EXT-X-KEY:METHOD=AES-128,URI="{target}"'),
        "map": playlist("a.ts", extra=f'#EXT-X-MAP:URI="{target}"'),
    }
    site.pages |= {"/live.m3u8": lists[kind], "/a.ts": segment}
    error = fails(site.url("/live.m3u8"))
    assert error.kind in ("forbidden", "failed", "disconnected", "timeout")
    assert inside.asked == []
    assert set(site.asked) <= {"/live.m3u8", "/a.ts"}
    assert SECRET not in str(error)
    if place == "other" and kind in ("segment", "variant"):
        assert error.kind == "forbidden"
        assert f"points to 127.0.0.1:{inside.port}" in str(error)


def test_another_host_may_be_allowed(site: web.Site, inside: web.Site, segment: bytes) -> None:
    inside.pages["/a.ts"] = segment
    site.pages["/live.m3u8"] = playlist(inside.url("/a.ts"))
    assert frames(site.url("/live.m3u8"), hosts=(f"127.0.0.1:{inside.port}",)) == 40


def test_a_redirect_to_another_host_is_not_followed(site: web.Site, inside: web.Site, segment: bytes) -> None:
    site.redirects |= {"/video": inside.url("/"), "/moved": "/a.ts", "/local": "file:///etc/passwd"}
    site.pages["/a.ts"] = segment
    assert fails(site.url("/video")).kind == "forbidden"
    assert fails(site.url("/local")).kind in ("forbidden", "failed")
    assert inside.asked == []
    assert frames(site.url("/moved")) == 40


def test_what_a_server_names_is_told_in_short(site: web.Site) -> None:
    """It stands in the camera's state, which goes to Redis each second and to every page."""
    site.redirects["/video"] = f"http://{'h' * 60_000}/\x1b[2J"
    error = fails(site.url("/video"))
    assert error.kind == "forbidden"
    assert len(str(error)) < 600


def test_passwords_go_to_the_configured_host_alone(site: web.Site, inside: web.Site, segment: bytes) -> None:
    site.login = "alice:s3/cret"
    inside.pages["/a.ts"] = segment
    site.pages["/live.m3u8"] = playlist(inside.url("/a.ts"))
    url = site.url("/live.m3u8", login="alice:s3%2Fcret")
    assert frames(url, hosts=(f"127.0.0.1:{inside.port}",)) == 40
    assert all("Authorization" not in headers for headers in inside.headers)
    assert fails(site.url("/live.m3u8", login="alice:wrong")).kind == "unauthorised"


@pytest.mark.parametrize(
    "text",
    [
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        b"m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        b'<?xml version="1.0"?><MPD><Period><AdaptationSet><BaseURL>file:///etc/passwd</BaseURL></AdaptationSet></Period></MPD>',
    ],
    ids=["concat", "sdp", "dash"],
)
def test_other_playlists_are_no_video(site: web.Site, text: bytes) -> None:
    site.pages["/video"] = text
    assert fails(site.url("/video")).kind == "failed"


def test_a_recording_whose_index_is_at_its_end(site: web.Site, face_clip: Path) -> None:
    """By ranges, as FFmpeg itself does it."""
    data = face_clip.read_bytes()
    assert data.index(b"moov") > data.index(b"mdat")
    site.pages["/a.mp4"] = data
    assert frames(site.url("/a.mp4"), 10) == 10
    assert any("Range" in headers for headers in site.headers)


def trickle(head: bytes) -> object:
    def page(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        pause = threading.Event()
        for _ in range(400):
            handler.wfile.write(b"X")
            handler.wfile.flush()
            pause.wait(0.05)

    return page


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["head", "body"])
def test_bytes_that_trickle_in_are_a_timeout(site: web.Site, head: bytes) -> None:
    site.pages["/video"] = trickle(head)  # type: ignore[assignment]
    began = time.monotonic()
    assert fails(site.url("/video"), patience_s=1.0).kind == "timeout"
    assert time.monotonic() - began < 10  # of twenty


def test_kinds_of_failure(site: web.Site) -> None:
    from tests.support.servers import free_port

    assert fails(site.url("/none")).kind == "not-found"
    assert fails(f"http://127.0.0.1:{free_port()}/x").kind == "refused"
    site.pages["/hello"] = b"hello" * 1000
    assert fails(site.url("/hello")).kind == "failed"


def test_no_source_is_without_limits_on_what_it_may_be_made_of() -> None:
    for url in ("rtsp://cam/x", "rtmp://cam/x", "srt://cam:9", "http://cam/x"):
        options = sources.parse(CameraSettings(url=url)).options
        assert "file" not in options["protocol_whitelist"]
        assert not {"hls", "concat", "dash", "sdp", "image2"} & set(options["format_whitelist"].split(",")) - {"hls"}
        assert "h264" in options["codec_whitelist"]
    assert sources.parse(CameraSettings(url="clip.mp4")).options["protocol_whitelist"] == "file"


def odd_length(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\nabc")


def odd_login(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\r\nContent-Length: 0\r\n\r\n")


def test_headers_and_addresses_that_are_none_are_a_failure_in_words(site: web.Site) -> None:
    site.pages |= {"/length": odd_length, "/login": odd_login}
    opened = Web(site.url("/", "viewer:hunter2"), "cam", (), 5, 5, {})
    file = opened.open(site.url("/length"), 0, {})
    assert (file.read(10), hasattr(file, "seek")) == (b"abc", False)
    with pytest.raises(SourceError, match="no video server"):
        opened.open(site.url("/login"), 0, {})
    with pytest.raises(SourceError, match="an address that is none"):
        opened.open("http://[x/a.ts", 0, {})
    opened.close()
