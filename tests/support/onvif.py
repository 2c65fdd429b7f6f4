"""An ONVIF camera: WS-Discovery over UDP, SOAP over HTTP with a login by digest, on ports chosen by the system."""

from __future__ import annotations

import base64
import hashlib
import http.server
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

USER, PASSWORD = "viewer", "p@ss/word"
GROUP = "239.255.255.250"
_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" '
    'xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error" '
    'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
    "<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
)
_DENIED = (
    "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>ter:NotAuthorized</s:Value></s:Subcode></s:Code>"
    '<s:Reason><s:Text xml:lang="en">Sender not Authorized</s:Text></s:Reason></s:Fault>'
)


def soap(body: str, header: str = "") -> bytes:
    """An envelope."""
    return _SOAP.format(header=header, body=body).encode()


@dataclass
class OnvifCamera:
    """What it says, and what it was asked. `answers` replace the one of an operation; a callable writes its own."""

    host: str = "127.0.0.1"
    name: str = "Front%20door"
    hardware: str = "FD-7"
    login: bool = True
    types: str = "dn:NetworkVideoTransmitter tds:Device"
    streams: dict[str, str] = field(default_factory=dict)  # the url of each profile; filled in once its ports are known
    sources: dict[str, str] = field(default_factory=dict)  # a profile's picture source, where it is not "eye"
    answers: dict[str, bytes | Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    year: int = 0  # what its clock shows, where it refuses digests of other years
    xaddrs: str = ""
    matches: bytes = b""
    media: str = ""
    http_port: int = 0
    udp_port: int = 0
    probed: list[bytes] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)

    @property
    def service(self) -> str:
        """The url of its device service."""
        return f"http://{self.host}:{self.http_port}/onvif/device_service"

    def match(self, probe: bytes) -> bytes:
        """Its answer to a probe."""
        if self.matches:
            return self.matches
        asker = re.search(rb"MessageID>([^<]+)<", probe)
        assert asker, "a probe has an id"
        scopes = f"onvif://www.onvif.org/name/{self.name} onvif://www.onvif.org/hardware/{self.hardware}"
        return soap(
            "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>urn:uuid:4b6d</a:Address>"
            f"</a:EndpointReference><d:Types>{self.types}</d:Types><d:Scopes>{scopes}</d:Scopes>"
            f"<d:XAddrs>{escape(self.xaddrs or self.service)}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
            "</d:ProbeMatch></d:ProbeMatches>",
            f"<a:RelatesTo>{asker[1].decode()}</a:RelatesTo>"
            "<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>",
        )

    def welcome(self, request: bytes) -> bool:
        """Whether the request bears the digest of WS-Security's UsernameToken profile 1.0."""
        found = [re.search(rf"<(?:\w+:)?{tag}\b[^>]*>([^<]*)<".encode(), request) for tag in
                 ("Username", "Password", "Nonce", "Created")]  # fmt: skip
        if not all(found):
            return False
        user, digest, nonce, created = (one[1] for one in found if one)
        right = hashlib.sha1(base64.b64decode(nonce) + created + PASSWORD.encode()).digest()
        if self.year and not created.startswith(str(self.year).encode()):
            return False
        return user.decode() == USER and base64.b64decode(digest) == right

    def respond(self, operation: str, request: bytes) -> bytes:
        """Its answer to an operation it knows."""
        if operation == "GetDeviceInformation":
            inner = (
                "<tds:Manufacturer>Example</tds:Manufacturer><tds:Model>FD-7</tds:Model><tds:FirmwareVersion>1.2"
                "</tds:FirmwareVersion><tds:SerialNumber>1</tds:SerialNumber><tds:HardwareId>1</tds:HardwareId>"
            )
            return soap(f"<tds:GetDeviceInformationResponse>{inner}</tds:GetDeviceInformationResponse>")
        if operation == "GetServices":
            services = {
                "http://www.onvif.org/ver10/device/wsdl": self.service,
                "http://www.onvif.org/ver10/media/wsdl": self.media or self.service.replace("device", "media"),
            }
            inner = "".join(
                f"<tds:Service><tds:Namespace>{space}</tds:Namespace><tds:XAddr>{url}</tds:XAddr></tds:Service>"
                for space, url in services.items()
            )
            return soap(f"<tds:GetServicesResponse>{inner}</tds:GetServicesResponse>")
        if operation == "GetProfiles":
            inner = "".join(map(self._profile, self.streams))
            return soap(f"<trt:GetProfilesResponse>{inner}</trt:GetProfilesResponse>")
        assert operation == "GetStreamUri", operation
        token = re.search(rb"ProfileToken>([^<]*)<", request)
        assert token, "GetStreamUri names a profile"
        uri = escape(self.streams[token[1].decode()])
        return soap(
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>"
        )

    def _profile(self, token: str) -> str:
        width, height = (1920, 1080) if "main" in token else (640, 360)
        return (
            f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
            '<tt:VideoSourceConfiguration token="vs"><tt:Name>vs</tt:Name>'
            f"<tt:SourceToken>{self.sources.get(token, 'eye')}</tt:SourceToken></tt:VideoSourceConfiguration>"
            '<tt:VideoEncoderConfiguration token="ve"><tt:Name>ve</tt:Name><tt:Encoding>H264</tt:Encoding>'
            f"<tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height></tt:Resolution>"
            "<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit></tt:RateControl></tt:VideoEncoderConfiguration>"
            "</trt:Profiles>"
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        camera: OnvifCamera = self.server.camera  # type: ignore[attr-defined]
        request = self.rfile.read(int(self.headers["Content-Length"]))
        body = re.search(rb"Body[^>]*>\s*<(?:\w+:)?(\w+)", request)
        operation = body[1].decode() if body else ""
        camera.asked.append(operation)
        camera.heard.append(request + str(self.headers).encode())
        made = camera.answers.get(operation)
        if callable(made):
            made(self)
            return
        if made is None and camera.login and operation != "GetSystemDateAndTime" and not camera.welcome(request):
            self._send(400, soap(_DENIED))
        else:
            self._send(200, made or camera.respond(operation, request))

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(camera: OnvifCamera, *, multicast: bool = False) -> Iterator[OnvifCamera]:
    """The camera, answering: probes at its address, with `multicast` those to GROUP on loopback."""
    with (
        http.server.ThreadingHTTPServer((camera.host, 0), _Handler) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        server.daemon_threads = True
        server.camera = camera  # type: ignore[attr-defined]
        udp.bind((GROUP if multicast else camera.host, 0))
        if multicast:
            joined = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(camera.host))
            udp.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        camera.http_port, camera.udp_port = server.server_address[1], udp.getsockname()[1]
        camera.streams = camera.streams or {
            "main": f"rtsp://{camera.host}:554/main?a=1&b=2", "sub": f"rtsp://{camera.host}:554/sub"
        }  # fmt: skip
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}),
            threading.Thread(target=_listen, args=(camera, udp)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield camera
        finally:
            server.shutdown()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
                if multicast:
                    bell.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(camera.host))
                bell.sendto(b"", udp.getsockname())
            for thread in threads:
                thread.join()


def _listen(camera: OnvifCamera, udp: socket.socket) -> None:
    while True:
        probe, asker = udp.recvfrom(65_536)
        if not probe:
            return
        camera.probed.append(probe)
        wanted = re.search(rb"Types>([^<]*)<", probe)
        if wanted and set(wanted[1].decode().split()) <= set(camera.types.split()):
            udp.sendto(camera.match(probe), asker)
