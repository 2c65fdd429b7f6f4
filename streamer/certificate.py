"""How a camera's certificate is verified, and why one does not.

FFmpeg verifies nothing unless it is told to, and then says no more than "input/output error": the reason is found by a
handshake of our own, which sends nothing that is secret.
"""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from streamer.sources import TLS_PORTS, Source
from wire.errors import CertificateRefused


def refusal(source: Source) -> CertificateRefused | None:
    """Why the certificate behind `source` is not accepted; None where it would be, or where no TLS is spoken."""
    if source.options.get("tls_verify") != "1":
        return None
    parts = urlsplit(source.target)
    host, port = parts.hostname or "", parts.port or TLS_PORTS[parts.scheme.lower()]
    try:
        context = ssl.create_default_context(cafile=source.options["ca_file"])
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        with (
            socket.create_connection((host, port), source.open_timeout_s) as plain,
            context.wrap_socket(plain, server_hostname=source.options.get("verifyhost", host)),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return CertificateRefused(source.name, error.verify_message.rstrip("."))
    except (OSError, ValueError):
        return None
