"""The audit says when it could not tell: pip-audit itself calls a package clean that its database does not know."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FLAW = {"id": "PYSEC-2019-217", "fix_versions": ["2.10.1"]}
CANARY = {"name": "jinja2", "version": "2.10", "vulns": [FLAW]}
UNKNOWN = {"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited: jinja2 (2.10)"}
GOOD, EDITABLE = {"name": "idna", "version": "3.1", "vulns": []}, {"name": "unmask", "skip_reason": "editable"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tool(folder: Path, canary: object, installed: object) -> str:
    """A program that answers as pip-audit 2.10 does: with JSON on standard output, or with a traceback."""
    path = folder / "pip-audit"
    path.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"answer = {json.dumps(canary)!r} if '-r' in sys.argv else {json.dumps(installed)!r}\n"
        "if answer == 'null': sys.exit('requests.exceptions.ConnectionError: Name or service not known')\n"
        "print('{\"dependencies\": ' + answer + ', \"fixes\": []}')\n"
    )
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("canary", "installed", "code", "said"),
    [
        ([CANARY], [GOOD, EDITABLE], 0, "0 vulnerabilities, 0 packages unknown"),
        ([CANARY], [GOOD, {**CANARY, "name": "other"}], 1, "other 2.10: PYSEC-2019-217, fixed in 2.10.1"),
        ([CANARY], [GOOD, {**UNKNOWN, "name": "rare"}], 2, "not audited: rare"),
        ([UNKNOWN], [GOOD], 2, "pypi knows nothing against jinja2==2.10"),
        ([{**CANARY, "vulns": []}], [GOOD], 2, "NOT DONE"),
        (None, None, 2, "Name or service not known"),
    ],
)
def test_what_the_audit_ends_with(
    audit: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    canary: object, installed: object, code: int, said: str,
) -> None:  # fmt: skip
    assert audit.main(tool(tmp_path, canary, installed), "site-packages") == code
    assert said in "".join(capfd.readouterr())
