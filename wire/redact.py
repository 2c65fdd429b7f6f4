"""Takes credentials out of anything that is logged, stored or shown."""

from __future__ import annotations

import re

MASK = "***"
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#]*@")
# A password may hold a raw "/" or "#"; the greedy form catches those inside one quoted or unbroken url.
_ODD_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s'\"@]*:[^\s'\"]*@")
_SECRET_QUERY = re.compile(
    r"(?P<key>[?&](?:pass|passwd|password|pwd|token|secret|key|auth|user|username|streamid|passphrase)=)[^&\s'\"#]*",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """`text` with the user info of every url, and the value of every secret-looking query key, masked."""
    text = _ODD_USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    text = _USERINFO.sub(rf"\g<scheme>{MASK}@", text)
    return _SECRET_QUERY.sub(rf"\g<key>{MASK}", text)
