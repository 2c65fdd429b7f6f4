"""`make audit`: known vulnerabilities of what is installed in .venv, and a failure where nobody could have told.

pip-audit says "no known vulnerabilities" also of packages its database does not know, for instance where a mirror
answers in its stead. So it is first asked of a package that is known to have some; and a package that could not be
looked up is a failure.

python scripts/audit.py PIP-AUDIT SITE-PACKAGES
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CANARY = "jinja2==2.10"  # CVE-2019-10906 and more since
OURS = "unmask"
NETWORK = "the audit needs pypi.org itself (its JSON API carries the vulnerabilities) or api.osv.dev"


class Unaudited(Exception):
    """Nothing can be said, and why."""


def ask(tool: str, *options: str) -> list[dict[str, Any]]:
    """What pip-audit found by package. Raises Unaudited where it can't tell."""
    command = [tool, "--format", "json", "--progress-spinner", "off", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise Unaudited(f"pip-audit could not do it ({last[:200]})") from None
    return found


def audit(tool: str, folder: str, service: str) -> list[dict[str, Any]]:
    """The packages in `folder`, once the service has shown that it knows a vulnerability. Raises Unaudited."""
    with tempfile.TemporaryDirectory() as name:
        wanted = Path(name) / "canary.txt"
        wanted.write_text(CANARY + "\n")
        canary = ask(tool, "-s", service, "-r", str(wanted), "--no-deps", "--disable-pip")
    if not any(one.get("vulns") for one in canary):
        raise Unaudited(f"{service} knows nothing against {CANARY}, so what it says of others means nothing")
    return ask(tool, "-s", service, "--path", folder)


def judge(found: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    """Lines for what is vulnerable, and names of what could not be looked up."""
    bad = [
        f"{one['name']} {one['version']}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in found
        for flaw in one.get("vulns", [])
    ]
    return bad, [one["name"] for one in found if "skip_reason" in one and one["name"] != OURS]


def main(tool: str, folder: str) -> int:
    """0: everything was looked up and nothing found; 1: something was found; 2: it could not be told."""
    reasons = []
    for service in ("pypi", "osv"):
        try:
            bad, unknown = judge(audit(tool, folder, service))
        except Unaudited as error:
            reasons.append(f"{service}: {error}")
            continue
        sys.stdout.writelines(line + "\n" for line in bad)
        if unknown:
            sys.stdout.write(f"not audited: {', '.join(unknown)}\n")
        sys.stdout.write(f"audited with {service}: {len(bad)} vulnerabilities, {len(unknown)} packages unknown\n")
        return 1 if bad else 2 if unknown else 0
    sys.stderr.writelines(f"audit: {line}\n" for line in reasons)
    sys.stderr.write(f"audit: NOT DONE, nothing is known of any package: {NETWORK}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
