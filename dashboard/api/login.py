"""Signing in and out in a browser, and who one is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from dashboard import auth
from dashboard.access.gate import Denied, Wait
from dashboard.access.principal import Principal
from dashboard.api import answers, asking
from dashboard.api.context import Context
from dashboard.api.errors import Refused
from dashboard.api.types import LoginBody, Me, SignedOut


async def login(context: Context, request: Request, ask: LoginBody) -> Response:
    """Sign in: sets a cookie that no script can read, and that is sent to this host alone."""
    gate = context.gate
    try:
        who = await gate.by_password(ask.name, ask.password, auth.address_of(request))
    except Denied:
        raise Refused(401, "the name, the password or the token is wrong", {"www-authenticate": "Bearer"}) from None
    except Wait as wait:
        raise asking.later(wait) from None
    answer = answers.json(request, _me(who))
    if gate.access.open:
        return answer
    if (before := request.cookies.get(auth.cookie_name(request))) is not None:
        await gate.sign_out(before)
    answer.set_cookie(
        auth.cookie_name(request), await gate.logins.begin(who.name), max_age=round(gate.logins.most_s), path="/",
        secure=auth.secure(request), httponly=True, samesite="strict",
    )  # fmt: skip
    return answer


async def logout(context: Context, request: Request, _ask: None) -> Response:
    """Sign out: the cookie is worth nothing any more, and the pages it opened are closed."""
    cookie = auth.cookie_of(request)
    if cookie is not None:
        await context.gate.sign_out(cookie)
    answer = answers.json(request, SignedOut(was=cookie is not None))
    answer.delete_cookie(
        auth.cookie_name(request), path="/", secure=auth.secure(request), httponly=True, samesite="strict"
    )  # fmt: skip
    return answer


async def me(context: Context, request: Request, _ask: None) -> Response:
    """Who one is here, and what one may see."""
    return answers.json(request, _me(context.who))


def _me(who: Principal) -> Me:
    return Me(name=who.name, role=who.role, cameras=who.cameras)
