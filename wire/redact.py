"""Takes credentials out of anything that is logged, stored or shown: by their shape, and by what the settings hold.

Linear in the length of the text, whatever it holds: cameras and peers have a say in what is logged.
"""

from __future__ import annotations

import base64
import re
import threading
from urllib.parse import quote, unquote, unquote_plus

MASK = "***"
PASSING = 1024  # forms of secrets that change, as of a url with a token that a plugin makes for each connection
SHORTEST = 6  # of a secret that is masked wherever it stands; shorter ones would blacken words
_USERINFO = re.compile(r"(?<=://)[^\s/?#]*@")
_RUN = re.compile(r"[^\s'\"]+")
# What names of secrets end in, as access_token and X-Amz-Signature do; some cameras have them in the path. A value may
# hold a "#", as an SRT stream id begins with one.
_ENDS = (
    "pas", "pass", "passwd", "password", "pwd", "passphrase", "token", "secret", "key", "auth", "user", "username",
    "streamid", "sig", "signature", "session",
)  # fmt: skip
_SECRET_NAME = re.compile(rf"[\w.-]{{0,32}}?(?:{'|'.join(_ENDS)})", re.IGNORECASE | re.ASCII)
_SECRET_QUERY = re.compile(rf"(?P<key>[?&;/]{_SECRET_NAME.pattern}=)[^&\s'\"]*", re.IGNORECASE | re.ASCII)
_AUTHORIZATION = re.compile(r"\b(?P<scheme>Basic|Bearer|Digest)\s+[A-Za-z0-9+/=._~-]{8,}")
_PASSES = 8  # masking may join what a quote held apart; two are the most that was ever seen to change anything


class _Known:
    """The secrets that this process was given, in every form in which they travel; of those that pass, the newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: set[str] = set()
        self._passing: dict[str, None] = {}  # the newest last
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str, passing: bool) -> None:
        with self._lock:
            given = {form for form in forms(secret) if len(form) >= SHORTEST} - self._lasting
            known = given <= self._passing.keys() if passing else not given
            if passing:
                for form in given:
                    self._passing.pop(form, None)
                    self._passing[form] = None
                for oldest in list(self._passing)[:-PASSING]:
                    del self._passing[oldest]
            else:
                self._lasting |= given
            if not known:
                longest_first = sorted({*self._lasting, *self._passing}, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def mask(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


_known = _Known()


def forms(secret: str) -> set[str]:
    """The secret as it is, percent-encoded and in base64."""
    plain = {secret, unquote(secret)}
    in_base64 = {base64.b64encode(one.encode()).decode().rstrip("=") for one in plain}
    return plain | in_base64 | {quote(one, safe="") for one in plain}


def remember(secret: str, *, passing: bool = False) -> None:
    """Have `redact` mask this secret from now on, whatever stands around it; one shorter than SHORTEST is not.

    `passing`: there may be any number of it in the life of this process, so that the oldest are forgotten.
    """
    _known.add(secret, passing)


def remember_url(url: str, *, whole: bool = False, passing: bool = False) -> None:
    """The same for the password of `url`, for `user:password` and for secret-looking query values.

    `whole`: for each part of host and path, too, where a service's url may be all tokens; hosts with a dot and short
    words are left, or the log would lose them.
    """
    head, at, _ = url.partition("://")[2].rpartition("@")
    if at:
        user, colon, password = head.partition(":")
        if colon:
            remember(password, passing=passing)
            remember(f"{unquote(user)}:{unquote(password)}", passing=passing)
    if whole:
        for part in re.split(r"[/:@,#\s]+", url.partition("://")[2].partition("?")[0]):
            if "." not in part and not (part.isalpha() and len(part) < 12):
                remember(part, passing=passing)
    path, _, query = url.partition("://")[2].partition("?")
    for part in (*re.split("[&;/]", path), *re.split("[?&;]", query)):
        name, _, value = part.partition("=")
        if _SECRET_NAME.fullmatch(unquote(name)):
            remember(value, passing=passing)
            remember(unquote_plus(value), passing=passing)


def redact(text: str) -> str:
    """`text` without credentials.

    Masked are the user info of every url, the value of every secret-looking name in it, Authorization headers, and
    every secret that was remembered.
    """
    for _ in range(_PASSES):
        before, text = text, _once(text)
        if text == before:
            break
    return text


def _once(text: str) -> str:
    if "://" in text:
        text = _RUN.sub(lambda run: _odd(run[0]), text)
        text = _USERINFO.sub(f"{MASK}@", text)
    text = _SECRET_QUERY.sub(rf"\g<key>{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\g<scheme> {MASK}", text)
    return _known.mask(text)


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
