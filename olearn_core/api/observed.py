"""
Around every request: its id, its trace, its line in the log, its time.

Outermost of all, so that what any other step answers is seen too.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olearn_core.api.health import HEALTH_PATHS
from olearn_core.api.operation import EVENT_STREAM
from olearn_core.logs import RequestIds, current_request
from olearn_core.metrics.instruments import Instruments
from olearn_core.tracing.spans import Spans, TraceIds

logger = logging.getLogger("olearn_core.access")

REQUEST_ID = re.compile(r"[\w.:@/+=-]{1,128}", re.ASCII)
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}"
)
METHODS = frozenset(
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
)
NO_ROUTE = "unmatched"


class Observed:
    """
    An ASGI application, observed.

    :param spans: know the trace, where they make one
    :param access_level: at which requests are logged, None for not at all
    """

    def __init__(
        self, app: ASGIApp, instruments: Instruments, spans: Spans, access_level: int | None
    ) -> None:
        self._app = app
        self._instruments = instruments
        self._spans = spans
        self._access_level = access_level

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note how that went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._spans.ids())
        token = current_request.set(exchange.ids)
        try:
            await self._app(scope, receive, exchange.send)
        finally:
            self._note(exchange)
            current_request.reset(token)

    def _note(self, exchange: _Exchange) -> None:
        seconds = time.perf_counter() - exchange.started
        if not exchange.is_stream:
            answered = (exchange.method, exchange.route, exchange.status)
            self._instruments.note_request(*answered, seconds)
        level = self._access_level
        if level is None or not logger.isEnabledFor(level) or exchange.path in HEALTH_PATHS:
            return
        logger.log(
            level,
            "%s %s %s in %.1f ms",
            exchange.method,
            exchange.path,
            exchange.status,
            seconds * 1_000,
            extra={
                "method": exchange.method,
                "route": exchange.route,
                "status": exchange.status,
                "duration_seconds": round(seconds, 6),
            },
        )


class _Exchange:
    """One request and its answer, as far as it has come."""

    def __init__(self, scope: Scope, send: Send, trace: TraceIds | None) -> None:
        self._scope = scope
        self._send = send
        self.ids = _ids(Headers(scope=scope), trace)
        self.started = time.perf_counter()
        self.status = 500  # of an answer that was never begun
        self.is_stream = False

    async def send(self, message: Message) -> None:
        """Send on, with the request's id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self.ids.request_id
            self.is_stream = headers.get("content-type", "").startswith(EVENT_STREAM)
        await self._send(message)

    @property
    def path(self) -> str:
        return str(self._scope["path"])

    @property
    def method(self) -> str:
        """The method; whoever invents names of methods makes no series of their own."""
        method = str(self._scope["method"])
        return method if method in METHODS else "_OTHER"

    @property
    def route(self) -> str:
        """The path's template, as the router found it."""
        route: Any = self._scope.get("route")
        return getattr(route, "path", None) or NO_ROUTE


def _ids(headers: Headers, ours: TraceIds | None) -> RequestIds:
    given = headers.get("x-request-id", "")
    request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    if ours is not None:
        return RequestIds(request_id, *ours)
    caller = TRACEPARENT.match(headers.get("traceparent", ""))
    return RequestIds(request_id, caller[1], caller[2]) if caller else RequestIds(request_id)
