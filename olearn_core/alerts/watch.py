"""All alerts of a node in one list."""

from __future__ import annotations

import logging

from olearn_core.alerts.alert import Alert
from olearn_core.alerts.book import AlertBook, Entry
from olearn_core.alerts.calibration import Calibration, DrawnLaw
from olearn_core.alerts.drift import DriftWatch
from olearn_core.alerts.joins import Joins
from olearn_core.alerts.thresholds import Thresholds
from olearn_core.alerts.vitals import Vitals
from olearn_core.config import AlertSettings
from olearn_core.learning.views.view import View
from olearn_core.schemas import AlertBody

logger = logging.getLogger(__name__)


class Alerts:
    """
    What deserves attention now.

    :ivar current: alerts as of the last look, faults of the service first
    :ivar book: the same with their ids, and those that were resolved lately
    """

    def __init__(self, view: View, settings: AlertSettings) -> None:
        self._view = view
        self._calibration = Calibration()
        self._joins = Joins(settings.dangling_minutes)
        self._drift = DriftWatch(view, settings.drift_days) if settings.drift else None
        self._thresholds = Thresholds(settings)
        self.current: list[Alert] = []
        self.book = AlertBook()

    def note(self, tenant: str, law: DrawnLaw, chosen: int) -> None:
        """Note a draw of this node."""
        self._calibration.note(tenant, law, chosen)
        self._joins.note()

    def look(self, vitals: Vitals | None = None) -> list[Entry]:
        """
        Bring the list up to date; log and return what is new and what is over.

        :param vitals: figures to hold against the thresholds, None to leave these out
        """
        counters = self._view.counters()
        joined, executions = counters.get("joined", 0), counters.get("executions", 0)
        found = [*self._calibration.alerts(), *self._joins.alerts(joined, executions)]
        found += self._thresholds.judge(vitals) if vitals else []
        found += self._drift.alerts() if self._drift else []
        self.current = found
        edges = self.book.update(found)
        for edge in edges:
            _log(edge)
        return edges

    def of(self, tenant: str) -> list[Alert]:
        """Return what a tenant may know: its own alerts and the node's."""
        return [alert for alert in self.current if alert.tenant in (None, tenant)]

    def firing(self, tenant: str | None, node: str) -> list[AlertBody]:
        """
        Return what is firing and concerns a tenant, the worst and oldest first.

        :param tenant: None for all
        :param node: who says so
        """
        entries = [entry for entry in self.book.firing.values() if entry.concerns(tenant)]
        entries.sort(key=lambda entry: (entry.alert.severity != "critical", entry.alert.since))
        return [entry.body(node) for entry in entries]

    def recent(self, tenant: str | None, node: str) -> list[AlertBody]:
        """Return what was resolved lately and concerns a tenant, newest first."""
        return [entry.body(node) for entry in self.book.recent if entry.concerns(tenant)]

    @property
    def faults(self) -> list[str]:
        """What of it is the service's own fault, without saying whom it strikes."""
        kinds = sorted({alert.kind for alert in self.current if alert.is_fault})
        return [f"{kind}: the service does not keep what it says, see its log" for kind in kinds]

    async def look_for_drift(self) -> None:
        """Look through the buckets of all agents, beside everything else."""
        if self._drift is None:
            return
        try:
            await self._drift.look()
        except Exception:
            logger.exception("nobody looks for drift now; everything else goes on")


def _log(edge: Entry) -> None:
    if edge.resolved_at is None:
        logger.warning("tenant %s: %s", edge.alert.tenant or "any", edge.alert)
    else:
        logger.info("over: %s", edge.alert)
