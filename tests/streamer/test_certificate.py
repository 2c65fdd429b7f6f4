"""rtsps:// and https:// cameras: their certificates are verified, and a refusal says why."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from streamer import sources
from streamer.camera import CameraRuntime
from streamer.probe import probe
from streamer.reader import Reader
from tests.streamer.test_camera import LOGIN, make, reaches  # noqa: F401 - a fixture
from tests.support import clips
from tests.support.certificates import Authority, self_signed
from tests.support.servers import Pair, RtspServer
from wire.errors import CertificateRefused, ConfigError
from wire.settings import CameraSettings

Serve = Callable[..., RtspServer]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def seen(url: str, **options: object) -> str:
    """ "" where a picture came out, else what was said."""
    result = probe(CameraSettings(url=url, **options), 30)  # type: ignore[arg-type]
    assert "\n" not in result.message
    assert "s3cret" not in result.message + result.remedy
    return "" if result.ok else f"{result.kind}: {result.message}: {result.remedy}"


def test_an_rtsps_camera_whose_authority_is_known(rtsp_server: Serve, face_clip: Path, authority: Authority) -> None:
    url = rtsp_server(face_clip, auth="digest", tls=authority.pair()).url(login=LOGIN)
    assert url.startswith("rtsps://")
    assert seen(url, ca=authority.file) == ""
    assert seen(url, verify=False) == ""
    assert seen(url).startswith("certificate: rtsps://***@127.0.0.1")
    assert "verify: false" in seen(url)
    wrong = seen(url.replace("s3cret", "guess-1"), ca=authority.file)
    assert wrong.startswith("unauthorised")


def test_a_camera_that_vouches_for_itself(rtsp_server: Serve, face_clip: Path, tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    url = rtsp_server(face_clip, tls=pair).url()
    assert "self-signed certificate" in seen(url)
    assert seen(url, ca=pair[0]) == ""


@pytest.mark.parametrize("case", ["other authority", "other name", "expired"])
def test_why_a_certificate_is_refused(
    case: str, rtsp_server: Serve, face_clip: Path, authority: Authority, tmp_path: Path
) -> None:
    pair = authority.pair(*(["camera.example"] if case == "other name" else []), expired=case == "expired")
    url = rtsp_server(face_clip, tls=pair).url()
    ca = Authority(tmp_path, "other").file if case == "other authority" else authority.file
    words = {
        "other authority": "unable to get local issuer certificate",
        "other name": "IP address mismatch",
        "expired": "certificate has expired",
    }
    with pytest.raises(CertificateRefused) as caught:
        Reader(sources.parse(CameraSettings(url=url, ca=ca))).open()
    assert words[case] in str(caught.value)
    if case == "other name":
        assert seen(url, ca=ca, certificate_name="camera.example") == ""
        assert seen(url, ca=ca, certificate_name="other.example").startswith("certificate")


def test_a_frozen_rtsps_camera_is_noticed_and_comes_back(
    make: Callable[..., CameraRuntime],  # noqa: F811
    rtsp_server: Serve,
    face_clip: Path,
    authority: Authority,
) -> None:
    server = rtsp_server(face_clip, tls=authority.pair())
    camera = make(server.url(), ca=authority.file)
    reaches(camera, "live", within=30)
    server.freeze()
    reaches(camera, "timeout", within=20)
    server.thaw()
    reaches(camera, "live", within=30)


def test_the_state_of_a_refused_camera_names_it(
    make: Callable[..., CameraRuntime],  # noqa: F811
    rtsp_server: Serve,
    face_clip: Path,
    authority: Authority,
) -> None:
    camera = make(rtsp_server(face_clip, tls=authority.pair()).url(login=LOGIN))
    reaches(camera, "certificate", within=30)
    assert "s3cret" not in str(camera.state())


@pytest.fixture
def files(face_clip: Path) -> Iterator[Callable[[Pair], str]]:
    """Serves the folder of the clip over https."""
    servers: list[ThreadingHTTPServer] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    def serve(pair: Pair) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(face_clip.parent)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_https_source(files: Callable[[Pair], str], face_clip: Path, authority: Authority) -> None:
    stream = clips.write(face_clip.with_suffix(".ts"), clips.plain(2))  # no seeking: the server can't
    url = f"{files(authority.pair())}/{stream.name}"
    assert seen(url, ca=authority.file) == ""
    assert seen(url, verify=False) == ""
    assert seen(url).startswith("certificate")


def test_a_ca_that_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        sources.parse(CameraSettings(url="rtsps://h/", ca=tmp_path / "none"))
    assert "tls_verify" not in sources.parse(CameraSettings(url="rtsp://h/")).options
    assert sources.parse(CameraSettings(url="rtsps://h/")).options["ca_file"]
