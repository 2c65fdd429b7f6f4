"""From a request to a checked question: who asks, what is asked, and 400 with the field's name for what is wrong."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from dashboard import auth, explaining
from dashboard.access.gate import Denied, Gate, Wait
from dashboard.access.principal import Principal
from dashboard.api.errors import UNSCOPED, Refused
from dashboard.api.types import Question
from wire.messages import UserRole

MAX_BODY = 64 * 1024
Q = TypeVar("Q", bound=Question)


async def admit(request: Request, gate: Gate, role: UserRole, unscoped: bool) -> Principal:
    """Whoever asks, by token or cookie. Raises Refused where he may not, or where another site's page asks for a
    change; and redis errors."""
    try:
        who = await _who(request, gate)
    except Denied:
        sent = auth.bearer(request.headers) is not None
        words = "the token is wrong: send another" if sent else "a token is needed: send it"
        raise Refused(
            401, f"{words} as 'Authorization: Bearer TOKEN', or sign in", {"www-authenticate": "Bearer"}
        ) from None
    except Wait as wait:
        raise later(wait) from None
    refuse_strangers(request)
    if not who.may(role):
        raise Refused(403, f"this needs the role {role}, and yours is {who.role}")
    if unscoped and who.scoped:
        raise Refused(403, UNSCOPED)
    return who


async def _who(request: Request, gate: Gate) -> Principal:
    token, cookie = auth.bearer(request.headers), auth.cookie_of(request)
    if token is None and cookie is not None and not gate.access.open:
        return await gate.by_cookie(cookie)
    return await gate.by_token(token, auth.address_of(request))


def refuse_strangers(request: Request) -> None:
    """Raises Refused where another site's page asks for a change."""
    if request.method in ("POST", "DELETE") and not auth.origin_allowed(request.headers):
        raise Refused(403, "this origin may not change anything")


def later(wait: Wait) -> Refused:
    """The answer to whoever has to wait."""
    return Refused(429, str(wait), {"retry-after": str(wait.seconds)})


def query(request: Request, kind: type[Q]) -> Q:
    """The query as a `kind`. Raises Refused."""
    given: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in request.query_params.multi_items():
        given[name].append(value)
    repeatable = {name: _repeats(field) for name, field in explaining.fields(kind).items()}
    for name, values in given.items():
        if len(values) > 1 and not repeatable.get(name, True):
            raise Refused(400, f"{name}: given more than once")
    plain = {name: values if repeatable.get(name) else values[0] for name, values in given.items()}
    try:
        asked = msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(400, _words(error, kind)) from None
    for field in msgspec.structs.fields(kind):
        value = getattr(asked, field.name)
        if isinstance(value, float) and not math.isfinite(value):  # JSON has no such number, a query has
            raise Refused(400, f"{field.encode_name}: Expected a finite number")
    return asked


async def body(request: Request, kind: type[Q]) -> Q:
    """The JSON body as a `kind`. Raises Refused."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "send 'Content-Type: application/json'")
    try:
        return msgspec.json.decode(await _read(request), type=kind)
    except msgspec.ValidationError as error:
        raise Refused(400, _words(error, kind)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON: {error}") from None


async def _read(request: Request) -> bytes:
    """The whole body, no more of it than MAX_BODY."""
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY:
                raise Refused(413, f"the body is larger than {MAX_BODY} bytes", {"connection": "close"})
    except ClientDisconnect:
        raise Refused(400, "the body ends too early") from None
    return bytes(data)


def _repeats(kind: msgspec.inspect.Type) -> bool:
    inner = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    return isinstance(inner, msgspec.inspect.VarTupleType)


def _words(error: msgspec.ValidationError, kind: type[Question]) -> str:
    """The error with the field's name first."""
    problem, place = explaining.parts(error)
    return (f"{place}: {problem}" if place else problem)[:300] + explaining.known(error, kind)
