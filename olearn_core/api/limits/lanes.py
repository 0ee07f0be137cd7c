"""
Bounded concurrency: what comes beyond it is refused at once, so that the rest is answered soon.

Requests have lanes of their own: outcomes that wait for the database do not keep decisions
waiting, nor do lists and charts. A lane counts requests under way, and those that came in
the same turn of the event loop: most of them are answered without waiting, so a crowd of
them is only ever seen waiting for its turn. Who sends bodies slowly holds half of a lane
at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from olearn_core.api.access import is_open
from olearn_core.api.problems import RETRY_AFTER, problem_response
from olearn_core.config import ApiSettings
from olearn_core.errors import TooManyRequestsError

LANE = "olearn.lane"
ROOT = "/api/learning"
DECIDING = (f"{ROOT}/decisions", f"{ROOT}/predict")
OUTCOMES = f"{ROOT}/outcomes"
STREAM = f"{ROOT}/stream"
FREE = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})


class Lane:
    """
    Requests of one kind.

    :param most: that are under way at once
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way = 0
        self._this_turn = 0
        self._awaited: Counter[str] = Counter()

    def enter(self) -> bool:
        """Tell whether there is room; count the request where there is."""
        if max(self._under_way, self._this_turn) >= self._most:
            return False
        if not self._this_turn:
            asyncio.get_running_loop().call_soon(self._turn)
        self._this_turn += 1
        self._under_way += 1
        return True

    def leave(self) -> None:
        """Make room again."""
        self._under_way -= 1

    @contextmanager
    def awaiting(self, credential_id: str) -> Iterator[None]:
        """
        Count a request whose body is on its way.

        :param credential_id: whose it is, empty where nobody has to say
        :raises TooManyRequestsError: where half of the lane waits for the same sender
        """
        if credential_id and self._awaited[credential_id] >= max(1, self._most // 2):
            raise TooManyRequestsError(
                f"{self._awaited[credential_id]} bodies of this credential are on their way"
                " already: send fewer at once, or faster"
            )
        self._awaited[credential_id] += 1
        try:
            yield
        finally:
            self._awaited[credential_id] -= 1
            if not self._awaited[credential_id]:
                del self._awaited[credential_id]

    def _turn(self) -> None:
        self._this_turn = 0


class Lanes:
    """Lets each request into its lane; health, metrics and documents need none."""

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        self._deciding = Lane(settings.most_decisions_at_once)
        self._outcomes = Lane(settings.most_outcomes_at_once)
        self._others = Lane(settings.most_others_at_once)
        self._full = problem_response(
            503, "too many requests are under way; try again in a moment", (), RETRY_AFTER
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        lane = self._lane(scope)
        if lane is None:
            await self._app(scope, receive, send)
        elif lane.enter():
            scope[LANE] = lane
            try:
                await self._app(scope, receive, send)
            finally:
                lane.leave()
        else:
            await self._full(scope, receive, send)

    def _lane(self, scope: Scope) -> Lane | None:
        if scope["type"] != "http":
            return None
        path: str = scope["path"]
        if path == STREAM:  # streams stay, and have a bound of theirs
            return None
        if not path.startswith(ROOT):
            return None if path in FREE or is_open(path) else self._others
        if scope["method"] == "POST":
            if path.startswith(DECIDING):
                return self._deciding
            if path.startswith(OUTCOMES):
                return self._outcomes
        return self._others


def lane_of(request: Request) -> Lane:
    """Return the lane that a request is in."""
    found: Lane = request.scope[LANE]
    return found
