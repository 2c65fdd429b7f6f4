"""Where the dashboard's page is served, whether that port can be had, and whether an Unmask serves there already."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from wire.errors import ServiceError
from wire.settings import Settings
from wire.settings.dashboard import DashboardSettings

ANSWER_S = 10.0  # for an answer of /readyz: on a machine that has too much to do it comes late
PATIENCE_S = 3.0  # with whatever has the port


class Served(ServiceError):
    """An Unmask has the port."""


def port(settings: Settings) -> int:
    """The dashboard's port, known before the dashboard runs. Raises ServiceError when it can't be had."""
    host, wanted = settings.dashboard.host, settings.dashboard.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            raise _refused(settings.dashboard, error) from None
        chosen: int = probe.getsockname()[1]
        return chosen


def _refused(settings: DashboardSettings, error: OSError) -> ServiceError:
    remedy = "choose another port with --port or dashboard.port"
    if error.errno == errno.EADDRINUSE and served(settings):
        return Served(f"another unmask serves its page at {address(settings)}", f"open that, stop it, or {remedy}")
    if error.errno not in (errno.EADDRINUSE, errno.EACCES):
        remedy = "set dashboard.host to an address of this machine"
    return ServiceError(f"can't listen on {settings.host}:{settings.port} ({error.strerror})", remedy)


def address(settings: DashboardSettings, port: int | None = None) -> str:
    """The page's url on this machine, at `port` where another one was chosen."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if settings.host in ("0.0.0.0", "::", ""):
        host = "127.0.0.1"
    return f"http{'s' if settings.tls_certificate else ''}://{host}:{port or settings.port}/"


def served(settings: DashboardSettings) -> bool:
    """Whether a dashboard of Unmask answers at the page's address."""
    try:
        return "picture" in parts(address(settings), settings.tls_certificate, PATIENCE_S)
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return False


def parts(page: str, certificate: Path | None, patience_s: float = ANSWER_S) -> dict[str, dict[str, Any]]:
    """What the dashboard's /readyz says of each part. Raises OSError, HTTPException, or what no such answer causes."""
    try:
        answer = urllib.request.urlopen(f"{page}readyz", timeout=patience_s, context=_trust(certificate))
    except urllib.error.HTTPError as error:  # 503: not all of them are ready
        answer = error
    with answer:
        found: dict[str, dict[str, Any]] = json.load(answer)["parts"]
        return found


def _trust(certificate: Path | None) -> ssl.SSLContext | None:
    """Trust in our own certificate alone, by whatever name: it is asked for by its address."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate.expanduser())
    return context
