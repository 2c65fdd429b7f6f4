"""Takes credentials out of anything that is logged, stored or shown.

Linear in the length of the text, whatever it holds: cameras and peers have a say in what is logged.
"""

from __future__ import annotations

import re

MASK = "***"
_USERINFO = re.compile(r"(?<=://)[^\s/?#]*@")
_RUN = re.compile(r"[^\s'\"]+")
_SECRET_QUERY = re.compile(
    r"(?P<key>[?&](?:pass|passwd|password|pwd|token|secret|key|auth|user|username|streamid|passphrase)=)[^&\s'\"#]*",
    re.IGNORECASE,
)
_PASSES = 8  # masking may join what a quote held apart; two are the most that was ever seen to change anything


def redact(text: str) -> str:
    """`text` with the user info of every url, and the value of every secret-looking query key, masked."""
    for _ in range(_PASSES):
        before, text = text, _once(text)
        if text == before:
            break
    return text


def _once(text: str) -> str:
    if "://" in text:
        text = _RUN.sub(lambda run: _odd(run[0]), text)
        text = _USERINFO.sub(f"{MASK}@", text)
    return _SECRET_QUERY.sub(rf"\g<key>{MASK}", text)


def _odd(run: str) -> str:
    """One quoted or unbroken url: a password may hold a raw "/" or "#", so that all up to the last "@" is masked."""
    begin = run.find("://")
    while begin >= 0:
        begin += 3
        first = run.find("@", begin)
        if first < 0:
            break
        if ":" in run[begin:first]:
            return f"{run[:begin]}{MASK}@{run[run.rfind('@') + 1 :]}"
        begin = run.find("://", first)
    return run
