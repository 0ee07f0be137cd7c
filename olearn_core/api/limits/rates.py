"""
Rates: how many requests a credential may send, in a sliding window.

Headers as in draft-ietf-httpapi-ratelimit-headers-10. Counted by each node for itself.
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olearn_core.api.problems import problem_response
from olearn_core.config import ApiSettings

LIMITED = "/api/"
CALLER = "olearn.caller"
POLICY = "default"


class Rates:
    """
    Answers 429 beyond the rate, and tells in every answer what is left.

    A request is counted for its credential, for its address where there is none.
    """

    def __init__(self, app: ASGIApp, settings: ApiSettings) -> None:
        self._app = app
        most, seconds = settings.rate_requests, settings.rate_seconds
        self._item: RateLimitItem = RateLimitItemPerSecond(max(1, most), seconds)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage()) if most else None
        self._policy = f'"{POLICY}";q={most};w={seconds}'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if (
            self._limiter is None
            or scope["type"] != "http"
            or not scope["path"].startswith(LIMITED)
        ):
            await self._app(scope, receive, send)
            return
        who = _who(scope)
        allowed = await self._limiter.hit(self._item, who)
        stats = await self._limiter.get_window_stats(self._item, who)
        seconds = max(1, math.ceil(stats.reset_time - time.time()))
        headers = [
            (b"ratelimit-policy", self._policy),
            (b"ratelimit", f'"{POLICY}";r={max(0, stats.remaining)};t={seconds}'.encode()),
        ]

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        if allowed:
            await self._app(scope, receive, told)
            return
        detail = f"more than {self._item.amount} requests in {self._item.get_expiry()} s"
        after = {"Retry-After": str(seconds)}
        await problem_response(429, detail, (), after)(scope, receive, told)


def _who(scope: Scope) -> str:
    caller = scope.get(CALLER)
    if caller is not None:
        return f"credential {caller.credential.id}"
    client = scope.get("client")
    return f"address {client[0]}" if client else "address"
