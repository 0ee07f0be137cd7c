"""The metrics, each second, for as long as somebody reads along."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from olearn_core.live.hub import METRICS, Hub
from olearn_core.schemas import MetricsResponse

REST_PER_COST = 10.0  # so that counting takes a tenth of the time at most
FRESH_SECONDS = 1.0

Measure = Callable[[str, str | None], Awaitable[MetricsResponse]]
Audience = tuple[str, str | None]  # a tenant, and whom the reader is confined to


class Pulse:
    """
    Counts once for all readers who may see the same of a tenant.

    :param measure: returns the metrics of a tenant, as one may see them who is confined or not
    """

    def __init__(
        self, hub: Hub, measure: Measure, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub = hub
        self._measure = measure
        self._clock = clock
        self._rests_until = 0.0
        self._known: dict[Audience, tuple[float, MetricsResponse]] = {}

    async def beat(self) -> None:
        """Tell each tenant with readers how learning goes; rest where that is dear."""
        started = self._clock()
        if started < self._rests_until:
            return
        readers = [reader for reader in self._hub.readers if METRICS in reader.topics]
        audiences = {(reader.tenant, reader.confined_to) for reader in readers}
        self._known = {whom: known for whom, known in self._known.items() if whom in audiences}
        for whom in audiences:
            self._hub.publish(METRICS, await self._measured(whom), *whom)
        self._rests_until = started + REST_PER_COST * (self._clock() - started)

    async def now(self, tenant: str, confined_to: str | None) -> MetricsResponse:
        """Return a tenant's metrics, at most as old as the last beat."""
        at, metrics = self._known.get((tenant, confined_to), (0.0, None))
        if metrics is not None and self._clock() - at < FRESH_SECONDS:
            return metrics
        return await self._measured((tenant, confined_to))

    async def _measured(self, whom: Audience) -> MetricsResponse:
        metrics = await self._measure(*whom)
        self._known[whom] = (self._clock(), metrics)
        return metrics
