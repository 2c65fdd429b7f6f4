"""One method of one address, and the route it becomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dashboard.api import asking
from dashboard.api.context import Context
from dashboard.api.types import Answer, Question

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
    guarded: bool = True  # by the token

    def route(self, context: Context) -> Route:
        """The route that admits, checks, and hands over."""

        async def endpoint(request: Request) -> Response:
            if self.guarded:
                asking.admit(request, context.config)
            ask: Question | None = None
            if self.query is not None:
                ask = asking.query(request, self.query)
            elif self.body is not None:
                ask = await asking.body(request, self.body)
            return await self.handler(context, request, ask)

        return Route(self.path, endpoint, methods=[self.method])

    @property
    def refusals(self) -> set[int]:
        """All statuses but 200 that it may answer with."""
        found = set(self.statuses)
        if self.guarded:
            found |= {401, 503}
        if self.method != "GET":
            found.add(403)
        if self.query is not None:
            found.add(400)
        if self.body is not None:
            found |= {400, 413, 415}
        return found
