"""One method of one address, and the route it becomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.api import asking
from dashboard.api.context import Context
from dashboard.api.types import Answer, Question
from wire.messages import UserRole

Handler = Callable[[Context, Request, Any], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked for, what is given, and who handles it. `answer` is a type, or the media type of what has none."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    handler: Handler
    answer: type[Answer] | str
    query: type[Question] | None = None
    body: type[Question] | None = None
    statuses: tuple[int, ...] = ()  # beside 200 and what follows from the rest
    role: UserRole | None = field(kw_only=True)  # that it needs at least; None: it is for everybody
    unscoped: bool = False  # it tells of, or changes, all cameras together

    def route(self, context: Context) -> Route:
        """The route that admits, checks, and hands over."""

        async def endpoint(request: Request) -> Response:
            mine = context
            if self.role is not None:
                mine = replace(context, who=await asking.admit(request, context.gate, self.role, self.unscoped))
            else:
                asking.refuse_strangers(request)
            ask: Question | None = None
            if self.query is not None:
                ask = asking.query(request, self.query)
            elif self.body is not None:
                ask = await asking.body(request, self.body)
            return await self.handler(mine, request, ask)

        return Route(self.path, endpoint, methods=[self.method])

    @property
    def refusals(self) -> set[int]:
        """All statuses but 200 that it may answer with."""
        found = set(self.statuses)
        if self.role is not None:
            found |= {401, 429, 503}
        if self.method != "GET" or self.role not in (None, "viewer") or self.unscoped:
            found.add(403)
        if self.query is not None:
            found.add(400)
        if self.body is not None:
            found |= {400, 413, 415}
        return found
