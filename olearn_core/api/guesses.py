"""
Guesses: how many wrong keys and tokens an address may show, in a sliding window.

Whoever shows a good one is let in all the same: many callers may share the address of
a proxy. Counted by each node for itself.
"""

from __future__ import annotations

import math
import time
from ipaddress import IPv6Address, IPv6Network

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.types import Scope

from olearn_core.config import ApiSettings
from olearn_core.errors import AuthenticationError, TooManyRequestsError

NETWORK_BITS = 64  # of an IPv6 address: the rest is whatever its owner likes


class Guesses:
    """Counts credentials that are not good, by the address they come from."""

    def __init__(self, settings: ApiSettings) -> None:
        most = settings.most_wrong_credentials
        self._item = RateLimitItemPerMinute(max(1, most))
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage()) if most else None

    async def note(self, scope: Scope, error: AuthenticationError) -> None:
        """
        Count one; a request that shows nothing is no guess.

        :raises TooManyRequestsError: where the address has shown too many
        """
        if self._limiter is None or not error.is_wrong:
            return
        who = _network(scope)
        if await self._limiter.hit(self._item, who):
            return
        stats = await self._limiter.get_window_stats(self._item, who)
        raise TooManyRequestsError(
            f"more than {self._item.amount} wrong keys or tokens came from this address in a"
            " minute; see to it that the credential is good, then wait",
            max(1, math.ceil(stats.reset_time - time.time())),
        ) from error


def _network(scope: Scope) -> str:
    """Return what one client can hardly change about its address."""
    client = scope.get("client")
    host = str(client[0]) if client else ""
    try:
        address = IPv6Address(host)
    except ValueError:
        return host
    return str(address.ipv4_mapped or IPv6Network((address, NETWORK_BITS), strict=False))
