"""Reading the figures that alerts are judged by."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from sqlalchemy.exc import SQLAlchemyError

from olearn_core.alerts.vitals import Vitals
from olearn_core.config import AlertSettings
from olearn_core.learning.versions.versions import covered_offsets
from olearn_core.learning.views.lags import Lags
from olearn_core.learning.views.view import View
from olearn_core.learning.workers.worker import Worker
from olearn_core.live.follower import Follower
from olearn_core.metrics.instruments import Instruments
from olearn_core.storage.database import brief
from olearn_core.storage.ledger import Ledger, Period

logger = logging.getLogger(__name__)

HOUR_SECONDS = 3_600.0
HOURS_AGE_SECONDS = 30.0


class VitalSigns:
    """
    Reads what thresholds are held against.

    The ledger is a database's: while that is away, what was read of it last is told.

    :param faults: returns what keeps the node from its work now, by subject
    """

    def __init__(
        self,
        view: View,
        worker: Worker,
        lags: Lags,
        ledger: Ledger,
        follower: Follower,
        instruments: Instruments,
        faults: Callable[[], Mapping[str, str]],
        settings: AlertSettings,
    ) -> None:
        self._view = view
        self._worker = worker
        self._lags = lags
        self._ledger = ledger
        self._follower = follower
        self._instruments = instruments
        self._faults = faults
        self._window_seconds = 60 * settings.window_minutes
        self._recent: Period | None = None
        self._hours: tuple[Period, Period] | None = None
        self._hours_at = 0.0

    async def read(self) -> Vitals:
        """Return how things are now."""
        now = time.time()
        try:
            await self._read_ledger(now)
        except (SQLAlchemyError, OSError) as error:
            logger.info("alerts stand on an older ledger: %s", brief(error))
        counters = self._view.counters()
        versions = self._follower.newest.values()
        newest = max(versions, key=lambda version: version.created_at, default=None)
        before, hour = self._hours or (None, None)
        return Vitals(
            at=now,
            updates=self._instruments.updates,
            failed_updates=self._worker.failed_updates,
            received=counters.get("received", 0),
            samples=counters.get("samples", 0),
            duplicates=counters.get("duplicates", 0),
            dead_letters=counters.get("dead_letters", 0),
            decisions=self._instruments.decisions,
            lag_records=self._worker.lag(),
            lag_seconds=self._lags.seconds or 0.0,
            recent=self._recent,
            hour=hour,
            hour_before=before,
            saved_at=newest.created_at if newest else None,
            is_unsaved=covered_offsets(self._view.headers)
            != (newest.covered_offsets if newest else {}),
            faults=self._faults(),
        )

    async def _read_ledger(self, now: float) -> None:
        self._recent = await self._ledger.period(now - self._window_seconds, now + 1)
        if now - self._hours_at >= HOURS_AGE_SECONDS:
            start = now - HOUR_SECONDS
            before = await self._ledger.period(start - HOUR_SECONDS, start)
            self._hours = (before, await self._ledger.period(start, now + 1))
            self._hours_at = now
