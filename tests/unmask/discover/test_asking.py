"""Cameras asked over HTTP: what they tell, to whom, and those that mean harm."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import http.server
import threading
import time

import httpx
import pytest

from tests.support.onvif import PASSWORD, USER, OnvifCamera, serving, soap
from tests.support.servers import wait_until
from tests.unmask.discover.test_vetting import BOMB
from unmask.discover.asking import Login, Pinned, ask, ask_all
from unmask.discover.camera import Camera
from unmask.discover.probing import Answer
from unmask.discover.vetting import MAX_BYTES

RIGHT = Login(USER, PASSWORD)
Handler = http.server.BaseHTTPRequestHandler


def asked(camera: OnvifCamera, login: Login | None = RIGHT, timeout_s: float = 10) -> Camera:
    answer = Answer(camera.host, camera.service, "Front door", "FD-7")
    return asyncio.run(ask(answer, login, timeout_s))


def everything(camera: OnvifCamera) -> bytes:
    return b"".join(camera.heard)


def test_who_logs_in_is_told_the_streams() -> None:
    with serving(OnvifCamera()) as camera:
        found = asked(camera)
    assert (found.name, found.model, found.firmware, found.problem) == ("Front door", "Example FD-7", "1.2", "")
    main, sub = found.streams
    assert (main.url, str(main)) == ("rtsp://127.0.0.1:554/main?a=1&b=2", "H264 1920x1080 25 fps")
    assert (sub.url, sub.source) == ("rtsp://127.0.0.1:554/sub", "eye")
    assert PASSWORD.encode() not in everything(camera)


def test_one_that_asks_for_no_login_tells_them_to_everyone() -> None:
    with serving(OnvifCamera(login=False)) as camera:
        found = asked(camera, None)
    assert len(found.streams) == 2
    assert not found.login
    assert b"Username" not in everything(camera)


@pytest.mark.parametrize(
    ("login", "words"), [(None, "--login"), (Login(USER, "wrong"), "refused"), (Login("other", PASSWORD), "refused")]
)
def test_who_does_not_is_told_so(login: Login | None, words: str) -> None:
    with serving(OnvifCamera()) as camera:
        found = asked(camera, login)
    assert words in found.problem
    assert (found.model, found.streams) == ("FD-7", ()), "what the probe said stays"


def test_cameras_are_asked_beside_each_other_and_told_in_order() -> None:
    with contextlib.ExitStack() as stack:
        cameras = [stack.enter_context(serving(OnvifCamera(f"127.0.0.{2 + at}"))) for at in range(3)]
        mute = stack.enter_context(serving(OnvifCamera(answers={"GetDeviceInformation": silent})))
        found = [Answer(one.host, one.service, str(at)) for at, one in enumerate([mute, *cameras])]
        told = asyncio.run(ask_all(found, RIGHT, 2))
    assert [one.name for one in told] == ["0", "1", "2", "3"]
    assert [len(one.streams) for one in told] == [0, 2, 2, 2]
    assert "within 2 s" in told[0].problem


def test_its_other_services_are_asked_on_its_own_address_only() -> None:
    with serving(OnvifCamera("127.0.0.2", login=False)) as victim, serving(OnvifCamera()) as camera:
        camera.media = victim.service
        camera.streams = {"main": f"rtsp://{victim.host}:554/main"}
        found = asked(camera)
    assert victim.asked == []
    assert [one.url for one in found.streams] == ["rtsp://127.0.0.1:554/main"]


def test_no_other_host_is_ever_asked() -> None:
    async def main(url: str) -> None:
        async with httpx.AsyncClient(transport=Pinned("127.0.0.1")) as client:
            await client.post(url)

    with serving(OnvifCamera("127.0.0.2")) as victim, pytest.raises(httpx.TransportError, match="another host"):
        asyncio.run(main(victim.service))
    assert victim.asked == []


def silent(handler: Handler) -> None:
    """Says nothing until we hang up."""
    handler.rfile.read(1)


def trickling(handler: Handler) -> None:
    """A byte now and then, for ever."""
    head(handler)
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.05)


def endless(handler: Handler) -> None:
    head(handler)
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b" " * 65_536)


def packed(handler: Handler) -> None:
    head(handler, **{"Content-Encoding": "gzip"})
    handler.wfile.write(gzip.compress(b" " * (4 * MAX_BYTES)))


def head(handler: Handler, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def rare(handler: Handler) -> None:
    """Wants a digest of a kind that the HTTP library has not."""
    head(handler, 401, **{"WWW-Authenticate": 'Digest realm="a", nonce="b", qop="auth-int"', "Content-Length": "0"})


HOSTILE = {
    "rare": (rare, "makes no sense"),
    "endless": (endless, "longer than"),
    "trickling": (trickling, "within 0.4 s"),
    "silent": (silent, "within 0.4 s"),
    "packed": (packed, "refused"),
    "bomb": (BOMB, "document type"),
    "deep": (soap("<a>" * 40 + "</a>" * 40), "levels"),
    "page": (b"<html><p>Hello", "no XML"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_a_hostile_camera_sends_is_one_line(kind: str) -> None:
    made, words = HOSTILE[kind]
    began = time.monotonic()
    with serving(OnvifCamera(answers={"GetDeviceInformation": made})) as camera:
        found = asked(camera, timeout_s=0.4 if "within" in words else 10)
    assert words in found.problem
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("number", ["1e999", "-inf", "nan", "9" * 5000, "٣", ""])
def test_numbers_that_are_none_end_nothing(number: str) -> None:
    with serving(OnvifCamera(login=False)) as camera:
        whole = camera.respond("GetProfiles", b"").replace(b">25<", f">{number}<".encode())
        camera.answers = {"GetProfiles": whole}
        found = asked(camera)
    assert found.problem in ("", "an answer that makes no sense")


@pytest.mark.parametrize("place", ["http://[", "http://127.0.0.1/\x7f", "ftp://127.0.0.1/", "http://h/" + "a" * 70_000])
def test_a_service_at_an_address_that_is_none_ends_nothing(place: str) -> None:
    with serving(OnvifCamera(media=place)) as camera:
        found = asked(camera)
    assert (found.model, found.streams) == ("Example FD-7", ())
    assert found.problem.isprintable()


def test_a_clock_of_no_calendar_ends_nothing() -> None:
    date = "<tt:Year>99999999999999999999</tt:Year><tt:Month>1</tt:Month><tt:Day>1</tt:Day>"
    now = f"<tds:X><tt:UTCDateTime><tt:Date>{date}</tt:Date></tt:UTCDateTime></tds:X>"
    with serving(OnvifCamera(answers={"GetSystemDateAndTime": soap(now)})) as camera:
        found = asked(camera, Login(USER, "wrong"))
    assert "GetSystemDateAndTime" in camera.asked
    assert found.problem


def test_a_camera_whose_clock_is_wrong_is_asked_by_its_clock() -> None:
    """Or its digests, which bear the time, would be refused as old."""
    date = "<tt:Date><tt:Year>2011</tt:Year><tt:Month>1</tt:Month><tt:Day>1</tt:Day></tt:Date>"
    now = soap(f"<tds:X><tt:UTCDateTime>{date}</tt:UTCDateTime></tds:X>")
    with serving(OnvifCamera(year=2011, answers={"GetSystemDateAndTime": now})) as camera:
        found = asked(camera)
    assert len(found.streams) == 2


def test_words_of_its_own_are_one_line_without_control_characters() -> None:
    text = "<s:Fault><s:Reason><s:Text>bad\x85\u202eday\n\n again</s:Text></s:Reason></s:Fault>"
    with serving(OnvifCamera(answers={"GetProfiles": soap(text)})) as camera:
        found = asked(camera)
    assert "bad day again" in found.problem
    assert found.problem.isprintable()


def test_a_redirect_is_not_followed() -> None:
    with serving(OnvifCamera("127.0.0.2")) as victim, serving(OnvifCamera()) as camera:
        camera.answers = {"GetDeviceInformation": lambda handler: head(handler, 307, Location=victim.service)}
        found = asked(camera)
    assert victim.asked == []
    assert "redirect" in found.problem


def test_a_camera_that_wants_the_password_itself_does_not_get_it() -> None:
    def basic(handler: Handler) -> None:
        head(handler, 401, **{"WWW-Authenticate": 'Basic realm="camera"', "Content-Length": "0"})

    with serving(OnvifCamera(answers={"GetDeviceInformation": basic})) as camera:
        found = asked(camera)
    assert "refused the login" in found.problem
    heard = everything(camera)
    assert PASSWORD.encode() not in heard
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()) not in heard


def test_more_profiles_than_a_recorder_has_are_cut_off() -> None:
    with serving(OnvifCamera(streams={f"p{number}": f"rtsp://127.0.0.1/{number}" for number in range(200)})) as camera:
        found = asked(camera, timeout_s=30)
    assert len(found.streams) == 128


def test_threads_end_with_the_servers() -> None:
    before = threading.active_count()
    with serving(OnvifCamera()) as camera:
        asked(camera)
    wait_until(lambda: threading.active_count() <= before, 20, "its threads have ended")
