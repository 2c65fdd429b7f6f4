"""Certificates made anew for each test that needs some."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import trustme

from tests.support.servers import Pair, missing


class Authority:
    """A certificate authority with what it signs, as PEM files in a folder."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._ca, self._folder = trustme.CA(key_type=trustme.KeyType.RSA), folder
        self.file = folder / f"{name}.pem"
        self._ca.cert_pem.write_to_path(str(self.file))
        self._name, self._made = name, 0

    def pair(self, *names: str, expired: bool = False) -> Pair:
        """Certificate and key for `names` (hosts or addresses); 127.0.0.1 and localhost unless others are given."""
        day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
        made = self._ca.issue_cert(
            *(names or ("127.0.0.1", "localhost")),
            not_before=now - 30 * day,
            not_after=now - day if expired else now + 30 * day,
        )
        self._made += 1
        certificate = self._folder / f"{self._name}-{self._made}.pem"
        key = certificate.with_suffix(".key")
        certificate.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        made.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        return certificate, key


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Certificate and key for 127.0.0.1 and localhost, as PEM files."""
    if shutil.which("openssl") is None:
        missing("no openssl: run scripts/install-system.sh test")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", str(certificate), "-keyout", str(key)],
        check=True, capture_output=True,
    )  # fmt: skip
    key.chmod(0o644)  # mosquitto gives up root before it reads it
    return certificate, key
