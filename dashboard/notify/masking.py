"""Takes a secret url out of what a library says about it. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

from wire.redact import MASK, redact

_SHORTEST = 4  # of a part that can be a secret; shorter ones would blacken every word


def mask(text: str, url: str, limit: int = 200) -> str:
    """`text` in one line, without any part of `url` behind its scheme: even what looks like the host may be a token."""
    _scheme, _, rest = url.partition("://")
    parts = {form for part in re.split(r"[/:@?&=,#\s]+", rest) for form in (part, unquote(part))}
    for part in sorted((part for part in parts if len(part) >= _SHORTEST), key=len, reverse=True):
        text = re.sub(re.escape(part), MASK, text, flags=re.IGNORECASE)
    words = redact(" ".join(text.split())).rstrip(".")
    return words if len(words) <= limit else words[: limit - 1] + "…"
