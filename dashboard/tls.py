"""The dashboard's certificate: checked before it is served, and taken anew when its files change."""

from __future__ import annotations

import asyncio
import ssl
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

from dashboard.config import DashboardConfig
from wire.errors import ConfigError
from wire.telemetry import Log

LOOK_S = 5.0
HSTS = ("strict-transport-security", f"max-age={365 * 86_400}")
_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID
_CREATE = "docs/tls.md says how to make them"


class Certificate:
    """The files of the settings, and the context that serves them: TLS 1.2 and newer. Raises ConfigError."""

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._files = certificate.expanduser(), (key or certificate).expanduser()
        self._seen = self._stamp()
        self.expires = check(*self._files)
        self.context = _server(*self._files)

    @property
    def key(self) -> Path:
        """The file of the key."""
        return self._files[1]

    @property
    def key_is_public(self) -> bool:
        """Whether every user of this machine can read the key."""
        return sys.platform != "win32" and bool(self.key.stat().st_mode & stat.S_IROTH)

    def renew(self) -> bool:
        """Serve what the files hold now, to connections made from now on; False where they are as they were.

        Raises ConfigError where they can't be served: the certificate in use stays, and the files are looked at again
        when they change.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self._seen = stamp
        self.expires = check(*self._files)
        self.context.load_cert_chain(*self._files, password=b"")
        return True

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for file in self._files:
            try:
                status = file.stat()
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)


def of(config: DashboardConfig) -> Certificate | None:
    """The certificate that is configured, if one is. Raises ConfigError."""
    if config.tls_certificate is None:
        return None
    return Certificate(config.tls_certificate, config.tls_key)


async def follow(certificate: Certificate, log: Log, period_s: float = LOOK_S) -> None:
    """Renew the certificate for ever; what can't be served is told once."""
    while True:
        await asyncio.sleep(period_s)
        try:
            if certificate.renew():
                log.info("certificate renewed", expires=certificate.expires.isoformat())
        except ConfigError as error:
            log.error("the new certificate is not served; the old one stays", error=str(error))


def check(certificate: Path, key: Path) -> datetime:
    """When the certificate ends. Raises ConfigError for files that can't be served now.

    A handshake in memory, with a client that trusts this certificate only, finds all that would go wrong later.
    """
    server = _server(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for _ in range(4):
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLCertVerificationError as error:
        when = {_EXPIRED: "has expired", _NOT_YET: "is not valid yet"}.get(error.verify_code)
        raise ConfigError(
            "configuration", "dashboard.tls_certificate", f"{certificate} {when or error.verify_message}", "renew it"
        ) from None
    except ssl.SSLError as error:
        raise ConfigError(
            "configuration", "dashboard.tls_certificate", f"{certificate} can't be served ({error.reason})", _CREATE
        ) from None
    told = ends[0].getpeercert()
    assert told is not None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)


def _server(certificate: Path, key: Path) -> ssl.SSLContext:
    for where, file in (("tls_certificate", certificate), ("tls_key", key)):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigError("configuration", f"dashboard.{where}", f"{file}: {error.strerror}", _CREATE) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=b"")  # else an encrypted key would ask on the terminal
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"{key} is not the key of {certificate}"
        elif "PEM" in str(error):
            problem = f"{certificate} and {key} do not hold a certificate and an unencrypted key in PEM"
        else:
            problem = f"{certificate} and {key} can't be served ({error.reason or 'is the key encrypted?'})"
        raise ConfigError("configuration", "dashboard.tls_key", problem, _CREATE) from None
    return context
