"""A certificate that vouches for itself, for servers in tests."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.servers import missing


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
