from __future__ import annotations

from pathlib import Path

import av.error
import pytest

from streamer import sources
from wire.errors import ConfigError, NoAddress, SourceError, UnknownScheme
from wire.settings import CameraSettings


def parse(url: str, platform: str = "linux", **options: object) -> sources.Source:
    return sources.parse(CameraSettings(url=url, **options), 5.0, 2.5, platform)  # type: ignore[arg-type]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(transport: str) -> None:
    source = parse("rtsp://alice:s3cret@cam/x", transport=transport)
    assert source.target == "rtsp://alice:s3cret@cam/x"
    assert source.options["rtsp_transport"] == transport
    assert source.options["timeout"] == "2500000"  # microseconds
    assert source.live
    assert not source.paced
    assert source.open_timeout_s == 5.0


def test_credentials_are_in_nothing_that_is_printed() -> None:
    for url in ("rtsp://alice:s3cret@cam/x", "http://cam/video?user=alice&pwd=s3cret", "srt://cam:9?passphrase=s3cret"):
        source = parse(url)
        assert "s3cret" not in repr(source) + source.name
        assert "***" in source.name
        assert "s3cret" in source.target


def test_a_password_with_a_slash_or_a_hash_is_masked_too() -> None:
    with pytest.raises(NoAddress) as caught:
        parse("rtsp://alice:s3/#cret@cam/x")
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://u:p#q@cam/x",
        "http://u:p?q@cam/x",
        "rtmp://u:p/q@cam/x",
        "rtsp://cam:port/x",
        "srt://cam:99999",
        "rtsp://[x/y",
    ],
)
def test_a_url_whose_host_can_not_be_read_says_how_to_write_it(url: str) -> None:
    with pytest.raises(NoAddress, match="as %2F %3F %23"):
        parse(url)


@pytest.mark.parametrize(
    "url", ["rtsp://u:p%23@cam/x", "rtsp://u:p@q:r@cam:554/x@y:z", "rtsp://[fe80::1%25eth0]:554/x", "srt://:9000"]
)
def test_a_url_that_is_odd_and_right(url: str) -> None:
    assert parse(url).target == url


@pytest.mark.parametrize(
    ("url", "option", "paced"),
    [
        ("rtmp://host/live/key", "rw_timeout", False),
        ("rtmps://host/live/key", "rw_timeout", False),
        ("srt://host:9000", "timeout", False),
        ("http://host/video.mjpg", "rw_timeout", False),
        ("https://host/live/index.m3u8?session=1", "rw_timeout", True),
        ("HTTPS://host/LIVE/INDEX.M3U8", "rw_timeout", True),
    ],
)
def test_other_networks(url: str, option: str, paced: bool) -> None:
    source = parse(url)
    assert source.options[option] == "2500000"
    assert (source.live, source.paced, source.format) == (True, paced, None)


def test_rtmp_gets_no_timeout_since_that_would_make_it_listen() -> None:
    assert "timeout" not in parse("rtmp://host/live").options


@pytest.mark.parametrize(
    ("url", "platform", "format", "target"),
    [
        ("webcam:0", "linux", "v4l2", "/dev/video0"),
        ("webcam:", "linux", "v4l2", "/dev/video0"),
        ("webcam:/dev/video2", "linux", "v4l2", "/dev/video2"),
        ("webcam:1", "darwin", "avfoundation", "1:none"),
        ("webcam:HD Camera", "win32", "dshow", "video=HD Camera"),
        ("screen:", "win32", "gdigrab", "desktop"),
        ("screen:@Call", "win32", "gdigrab", "title=Call"),
        ("screen:", "darwin", "avfoundation", "Capture screen 0:none"),
        ("screen:800x600+10+20@:1", "linux", "x11grab", ":1+10,20"),
        ("screen:@:7", "linux", "x11grab", ":7+0,0"),
    ],
)
def test_devices(url: str, platform: str, format: str, target: str) -> None:
    source = parse(url, platform)
    assert (source.format, source.target, source.live) == (format, target, True)


def test_what_looks_like_a_secret_in_a_device_is_masked_too() -> None:
    assert parse("webcam:Cam?token=s3cret", platform="win32").name == "webcam:Cam?token=***"
    with pytest.raises(UnknownScheme) as caught:
        parse("webcam:Cam?token=s3cret", platform="linux")
    assert "s3cret" not in str(caught.value)


def test_a_region_of_the_screen() -> None:
    assert parse("screen:800x600+10+20").options["video_size"] == "800x600"
    windows = parse("screen:800x600+10+20", "win32").options
    assert (windows["offset_x"], windows["offset_y"], windows["video_size"]) == ("10", "20", "800x600")
    assert parse("screen:800x600+10+20", "darwin").crop == (10, 20, 800, 600)


def test_the_screen_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", ":5")
    assert parse("screen:").target == ":5+0,0"


@pytest.mark.parametrize("url", ["clip.mp4", "/data/a b.mp4", "C:\\clips\\a.mp4", "rtsp.mp4", "a:b.mp4"])
def test_paths(url: str) -> None:
    source = parse(url, loop=True)
    assert source.target == f"file:{Path(url)}"  # so that no path is taken for a protocol
    assert (source.live, source.paced, source.loop) == (False, True, True)


def test_file_urls() -> None:
    assert parse("file:///data/a%20b.mp4").target == "file:/data/a b.mp4"
    assert parse("file:clip.mp4").target == "file:clip.mp4"
    assert parse("~/clip.mp4").target == f"file:{Path.home()}/clip.mp4"
    assert parse("~nobody of that name/clip.mp4").target == "file:~nobody of that name/clip.mp4"


@pytest.mark.parametrize(
    "url",
    [
        "gopher://x/y",
        "rstp://alice:s3cret@cam/x",
        "screen:big",
        "webcam:front",
        "http://[x/y",
        "file://[x/y",
        "screen:" + "9" * 5000 + "x1",
    ],
)
def test_unknown_schemes(url: str) -> None:
    with pytest.raises(UnknownScheme) as caught:
        parse(url)
    assert caught.value.exit_code == 2
    assert "s3cret" not in str(caught.value)
    assert "rtsp(s)://" in str(caught.value)


URL = "rtsp://alice:s3cret@cam/x"


@pytest.mark.parametrize(
    ("error", "opened", "kind"),
    [
        (av.error.HTTPUnauthorizedError(1, "401", URL), False, "unauthorised"),
        (av.error.HTTPForbiddenError(1, "403", URL), False, "unauthorised"),
        (av.error.HTTPNotFoundError(1, "404", URL), False, "not-found"),
        (av.error.FileNotFoundError(2, "none", URL), False, "not-found"),
        (av.error.ConnectionRefusedError(111, "refused", URL), False, "refused"),
        (av.error.TimeoutError(110, "timed out", URL), True, "timeout"),
        (av.error.ExitError(1, "exit", URL), False, "timeout"),
        (av.error.DecoderNotFoundError(1, "no decoder", URL), False, "unsupported-codec"),
        (av.error.ConnectionResetError(104, "reset", URL), True, "disconnected"),
        (av.error.OSError(5, "i/o", URL), True, "disconnected"),
        (av.error.InvalidDataError(1, "invalid", URL), True, "disconnected"),
        (av.error.InvalidDataError(1, "invalid", URL), False, "failed"),
        (av.error.ProtocolNotFoundError(1, "protocol", URL), False, "failed"),
        (RuntimeError(URL), False, "failed"),
    ],
)
def test_kinds(error: Exception, opened: bool, kind: str) -> None:
    found = sources.classify(error, parse(URL), opened=opened)
    assert found.kind == kind
    assert "s3cret" not in str(found) + repr(found)
    assert "rtsp://***@cam/x" in str(found)
    assert "\n" not in str(found)


def test_a_peer_that_accepts_and_stays_silent_is_a_timeout() -> None:
    error = av.error.InvalidDataError(1, "invalid", URL)
    assert sources.classify(error, parse(URL), opened=False, waited_s=2.6).kind == "timeout"


def test_a_typed_error_stays_what_it_is() -> None:
    error = SourceError("no-video", "x", "sound only")
    assert sources.classify(error, parse(URL), opened=True) is error


def test_a_text_file_is_no_video() -> None:
    found = sources.classify(av.error.InvalidDataError(1, "x", "y"), parse("notes.mp4"), opened=False)
    assert "not a video file" in str(found)


def test_a_window_of_the_screen() -> None:
    source = parse("screen:320x200+5+6@:1?window=Weekly @ten?")
    assert (source.target, source.window) == (":1+5,6", "Weekly @ten?")
    assert parse("screen:@:1").window is None
    assert parse("screen:?window=Call", "win32").target == "title=Call"
    assert parse("screen:?window=0x2a00003", "win32").target == "hwnd=0x2a00003"
    with pytest.raises(ConfigError, match="macOS gives the screen only"):
        parse("screen:?window=Call", "darwin")


def test_a_push_is_waited_for_where_the_url_says() -> None:
    source = parse("rtmp://127.0.0.1/live/s3cret-key", listen="loopback")
    assert source.listen
    assert (source.listen.host, source.listen.port, source.listen.app) == ("127.0.0.1", 1935, "live")
    assert source.listen.key == "s3cret-key"
    assert "s3cret" not in repr(source) + source.name + source.target
    assert source.network
    assert source.options["codec_whitelist"]
    assert parse("rtmp://[::1]:1936/a/b/s3cret-key", listen="loopback").name == "rtmp://[::1]:1936/a/b/***"
    assert parse("rtmp://0.0.0.0/live/s3cret-key", listen="network").listen


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("rtmp://0.0.0.0/live/s3cret-key", "not this machine's own loopback address"),
        ("rtmp://example.org/live/s3cret-key", "not this machine's own loopback address"),
        ("rtmp://127.0.0.1/live/s3cret", "a key of at least 8 characters"),
        ("rtmp://127.0.0.1/s3cret-key", "no rtmp://HOST:PORT/APP/KEY"),
        ("rtmps://127.0.0.1/live/s3cret-key", "no rtmp://HOST:PORT/APP/KEY"),
        ("rtmp://alice:s3cret@127.0.0.1/live/s3cret-key", "no rtmp://HOST:PORT/APP/KEY"),
    ],
)
def test_what_can_not_be_waited_at(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        parse(url, listen="loopback")
    assert "s3cret" not in str(caught.value)


def test_a_window_that_can_not_be_read_says_what_may_be() -> None:
    error = av.error.PermissionError(13, "Permission denied", "x")
    found = sources.classify(error, parse("screen:?window=Call"), opened=True)
    assert (found.kind, "minimised" in str(found)) == ("disconnected", True)
